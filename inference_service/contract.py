"""Every name that crosses a layer: tags, variables, object keys, paths, headers, metrics, states.

Infra, Ansible, the nodes, the gateway, the CLI and the local cloud all take these names from here; it imports nothing.
"""

# --- EC2 and Auto Scaling tags. Keys have no "/" or spaces: instance metadata refuses those.
TAG_ROLE = "warmfleet:role"
TAG_ENVIRONMENT = "warmfleet:environment"
TAG_MODEL = "warmfleet:model"
TAG_CONNECTION = "warmfleet:connection"  # how Ansible reaches an instance: one of the two below
CONNECTION_SSM, CONNECTION_SSH = "ssm", "ssh"
TAG_SERVICE_VERSION = "warmfleet:service-version"  # of images: the service bundle that is in it
TAG_SOURCE_IMAGE = "warmfleet:source-image"  # of images: the one that it was made of
TAG_IMAGE_BUILDER = "warmfleet:image-builder"  # of what `warmfleet image build` launches: which build
TAG_MAX_HOURLY_USD = "warmfleet:max-hourly-usd"  # on groups: what the whole stack may cost an hour
TAG_GROUP = "aws:autoscaling:groupName"  # set by Auto Scaling itself
ROLE_NODE = "node"
ROLE_GATEWAY = "gateway"

# --- The block of variables in user data, between these two comment lines, one NAME='value' a line.
VARIABLES_BEGIN = "# >>> warmfleet variables"
VARIABLES_END = "# <<< warmfleet variables"

VAR_ENVIRONMENT = "WARMFLEET_ENVIRONMENT"
VAR_REGION = "WARMFLEET_REGION"
VAR_BUCKET = "WARMFLEET_BUCKET"
VAR_SERVICE_VERSION = "WARMFLEET_SERVICE_VERSION"  # SHA-256 of the service bundle's manifest, hex
VAR_LOG_GROUP = "WARMFLEET_LOG_GROUP"  # CloudWatch Logs group of this role
VAR_CONNECTION = "WARMFLEET_CONNECTION"  # as TAG_CONNECTION, which an instance cannot read of itself
VAR_POINTER_POLL_SECONDS = "WARMFLEET_POINTER_POLL_SECONDS"
# Nodes only.
VAR_MODEL = "WARMFLEET_MODEL"
VAR_ENGINE = "WARMFLEET_ENGINE"  # llama.cpp | vllm | stub (tests only)
VAR_CONTEXT_TOKENS = "WARMFLEET_CONTEXT_TOKENS"
VAR_SLOTS = "WARMFLEET_SLOTS"  # answers decoded at the same time
VAR_NODE_PORT = "WARMFLEET_NODE_PORT"
VAR_LAUNCH_HOOK = "WARMFLEET_LAUNCH_HOOK"
VAR_TERMINATE_HOOK = "WARMFLEET_TERMINATE_HOOK"
VAR_DRAIN_SECONDS = "WARMFLEET_DRAIN_SECONDS"
VAR_METADATA_POLL_SECONDS = "WARMFLEET_METADATA_POLL_SECONDS"
VAR_REBALANCE_REACTION = "WARMFLEET_REBALANCE_REACTION"  # one of REBALANCE_REACTIONS
VAR_PROBE_SECONDS = "WARMFLEET_PROBE_SECONDS"  # a ready engine that gave no token for so long is asked for one
VAR_PROBE_TIMEOUT_SECONDS = "WARMFLEET_PROBE_TIMEOUT_SECONDS"  # and restarted when none comes within this time
VAR_QUEUE = "WARMFLEET_QUEUE"  # requests that may wait for a slot; beyond them 503
VAR_HEARTBEAT_SECONDS = "WARMFLEET_HEARTBEAT_SECONDS"  # while warming up; below the launch hook's heartbeat timeout
VAR_LOAD_TIMEOUT_SECONDS = "WARMFLEET_LOAD_TIMEOUT_SECONDS"
VAR_VLLM = "WARMFLEET_VLLM"  # JSON: tensor_parallel_size, dtype, quantization, extra_arguments
VAR_NODE_TOKEN_PARAMETER = "WARMFLEET_NODE_TOKEN_PARAMETER"  # SSM SecureString; nodes and gateways, never its value
VAR_NODE_TOKEN_KEY = "WARMFLEET_NODE_TOKEN_KEY"  # gateways: the KMS key of that parameter, if it is your own
VAR_JOBS_QUEUE_URL = "WARMFLEET_JOBS_QUEUE_URL"
VAR_DEAD_LETTERS_QUEUE_URL = "WARMFLEET_DEAD_LETTERS_QUEUE_URL"
VAR_STUB_TOKEN_SECONDS = "WARMFLEET_STUB_TOKEN_SECONDS"  # tests only
VAR_STUB_LOAD_SECONDS = "WARMFLEET_STUB_LOAD_SECONDS"  # tests only
# Gateways only. A gateway serves every model of its environment.
VAR_MODELS = "WARMFLEET_MODELS"  # comma-separated names
VAR_API_KEYS_PARAMETER = "WARMFLEET_API_KEYS_PARAMETER"  # name of an SSM SecureString, never its value
VAR_API_KEYS_POLL_SECONDS = "WARMFLEET_API_KEYS_POLL_SECONDS"
VAR_SLO_WAIT_SECONDS = "WARMFLEET_SLO_WAIT_SECONDS"  # JSON: by model, the wait for an answer's begin that is promised
VAR_FIGURES_SECONDS = "WARMFLEET_FIGURES_SECONDS"  # between two reports of what is asked; CloudWatch's minute
VAR_GATEWAYS = "WARMFLEET_GATEWAYS"  # how many there are: each allows its share of a key's limits
VAR_GATEWAY_PORT = "WARMFLEET_GATEWAY_PORT"
VAR_DISCOVERY_POLL_SECONDS = "WARMFLEET_DISCOVERY_POLL_SECONDS"
VAR_READINESS_POLL_SECONDS = "WARMFLEET_READINESS_POLL_SECONDS"
VAR_LONGEST_WAIT_SECONDS = "WARMFLEET_LONGEST_WAIT_SECONDS"  # the most that HEADER_DEADLINE can ask for
VAR_GUARDS_OFF = "WARMFLEET_GUARDS_OFF"  # tests only: comma-separated names of guards, to see what they prevent
VAR_LEASE_SECONDS = "WARMFLEET_LEASE_SECONDS"  # tests only: of an answer under an Idempotency-Key
VAR_IDLE_CONNECTION_SECONDS = "WARMFLEET_IDLE_CONNECTION_SECONDS"  # longer than the load balancer keeps idle ones
# The planner alone (a Lambda function, no instance).
VAR_FLEETS = "WARMFLEET_FLEETS"  # JSON: see infra/planner/fleet.py
VAR_INTERRUPTIONS_QUEUE_URL = "WARMFLEET_INTERRUPTIONS_QUEUE_URL"
VAR_GATEWAY_GROUP = "WARMFLEET_GATEWAY_GROUP"  # the gateways in service are those that have to report
# Given by whatever starts the process (systemd on AWS, the local cloud's supervisor), not by user data.
VAR_BIND_ADDRESS = "WARMFLEET_BIND_ADDRESS"  # default 127.0.0.1
VAR_DATA_DIR = "WARMFLEET_DATA_DIR"  # default /var/lib/warmfleet
VAR_BOOTED_AT = "WARMFLEET_BOOTED_AT"  # when the instance's operating system started, in Unix time

# --- Objects in the model bucket.
MANIFEST_NAME = "manifest.json"
MODELS_PREFIX = "models/"
CACHES_PREFIX = "caches/"  # caches/<model>/<key>/: an engine's compiled code that a person has accepted
OFFERS_PREFIX = "offers/"  # offers/<model>/<key>/<instance>.tar: compiled code that a node offers
POINTERS_PREFIX = "pointers/"
REPLACEMENTS_PREFIX = "replacements/"  # by group: nodes replaced for their health of late
SERVICES_PREFIX = "services/"
IDEMPOTENCY_PREFIX = "idempotency/"  # idempotency/<hash>: an answer that was given under an Idempotency-Key
SCALING_PREFIX = "scaling/"  # scaling/<model>/state.json and control.json: the planner's memory, and who paused it
LOADS_PREFIX = "loads/"  # loads/<model>/<gateway>.json: how busy each node is, for whoever takes nodes away
JOBS_PREFIX = "jobs/"  # jobs/<id>/result.json, and jobs/<id>/attempt.json: the last try, and why it failed


def model_prefix(model: str, version: str) -> str:
    """Key prefix of one immutable model version, with its trailing slash."""
    return f"{MODELS_PREFIX}{model}/{version}/"


def offers_prefix(model: str, key: str) -> str:
    """Key prefix of what nodes offer as the compiled code of one key, with its trailing slash."""
    return f"{OFFERS_PREFIX}{model}/{key}/"


def job_result_key(job_id: str) -> str:
    return f"{JOBS_PREFIX}{job_id}/result.json"


def job_attempt_key(job_id: str) -> str:
    return f"{JOBS_PREFIX}{job_id}/attempt.json"


def scaling_state_key(model: str) -> str:
    """Key of what the planner remembers of a model's fleet, with its last plan."""
    return f"{SCALING_PREFIX}{model}/state.json"


def node_loads_prefix(model: str) -> str:
    return f"{LOADS_PREFIX}{model}/"


def node_loads_key(model: str, gateway: str) -> str:
    """Key of one gateway's report on the nodes of a model: {"at": Unix time, "in_flight": {instance id: requests}}."""
    return f"{node_loads_prefix(model)}{gateway}.json"


def scaling_control_key(model: str) -> str:
    """Key of the object by which a person pauses and resumes a model's scaling."""
    return f"{SCALING_PREFIX}{model}/control.json"


def pointer_key(model: str) -> str:
    """Key of the object that names a model's current, previous and candidate version."""
    return f"{POINTERS_PREFIX}{model}.json"


def replacements_key(group: str) -> str:
    """Key of the object that counts a group's replacements for health."""
    return f"{REPLACEMENTS_PREFIX}{group}.json"


def idempotency_key(identity: str) -> str:
    """Key of the object with the answer under one Idempotency-Key; `identity` is a hash."""
    return f"{IDEMPOTENCY_PREFIX}{identity}"


def service_prefix(service_version: str) -> str:
    """Key prefix of one service bundle, with its trailing slash."""
    return f"{SERVICES_PREFIX}{service_version}/"


# --- HTTP.
NODE_PORT = 8000  # of every node; gateways alone may call it
PATH_HEALTH = "/healthz"
PATH_READY = "/readyz"
PATH_METRICS = "/metrics"
PATH_CHAT_COMPLETIONS = "/v1/chat/completions"
PATH_MODELS = "/v1/models"
PATH_FLEET = "/warmfleet/nodes"  # gateway: every node it knows, with its readiness report

HEADER_REQUEST_ID = "x-request-id"
HEADER_DEADLINE = "x-request-timeout-seconds"  # how long the client is ready to wait
HEADER_CONNECT_TIMEOUT = "x-connect-timeout-seconds"  # for each node that is tried
HEADER_SILENCE_TIMEOUT = "x-silence-timeout-seconds"  # between two tokens of a stream
HEADER_TOTAL_TIMEOUT = "x-total-timeout-seconds"  # from the request's arrival to its answer's end
HEADER_EXPECTED_READY = "x-expected-ready-seconds"  # on 503: when a node is expected to be warm
HEADER_IDEMPOTENCY_KEY = "Idempotency-Key"  # one answer, however often a client asks with it
HEADER_REPLAYED = "x-warmfleet-replayed"  # "true": the answer was begun by an earlier request
HEADER_KEY_NAME = "x-warmfleet-key"  # inside a gateway alone
HEADER_MODEL_VERSION = "x-warmfleet-model-version"

# Between gateway and node each streamed chunk ends with "warmfleet": {"token_ids": [...]}: always the last
# member of the JSON object, so that the gateway can cut it off without parsing.
MOST_CHOICES = 8  # answers to one question (`n`): each takes a place in the engine's batch
CHUNK_EXTENSION = "warmfleet"
CHUNK_TOKEN_IDS = "token_ids"
# A request between them may carry "warmfleet": {"resume_token_ids": […], "id": …, "created": …}: go on after these
# tokens of an answer that another node began, under the same name. HEADER_MODEL_VERSION on it says which version may.
RESUME_TOKEN_IDS = "resume_token_ids"
RESUME_ID = "id"
RESUME_CREATED = "created"
# The last event of a stream that the node gives up because it has to leave: `data: {"warmfleet":{"handover":true}}`.
CHUNK_HANDOVER = "handover"
CODE_HANDED_OVER = "handed_over"  # the same before a stream has begun: 503
CODE_NODE_BUSY = "node_busy"
CODE_OTHER_VERSION = "other_model_version"  # 409: the node serves another version than the one asked for
CODE_NOT_RESUMABLE = "not_resumable"  # 400: the engine cannot go on with such an answer

# --- Node states, in order. ready -> draining -> downloading: another version; draining -> ready: a cancelled notice.
STATE_DOWNLOADING = "downloading"
STATE_LOADING = "loading"
STATE_WARMING = "warming"
STATE_READY = "ready"
STATE_DRAINING = "draining"
STATE_STOPPED = "stopped"
NODE_STATES = (STATE_DOWNLOADING, STATE_LOADING, STATE_WARMING, STATE_READY, STATE_DRAINING, STATE_STOPPED)

# --- What a node does when EC2 recommends to replace it.
REBALANCE_IGNORE = "ignore"  # go on: most recommendations are followed by nothing
REBALANCE_STOP_ADMITTING = "stop_admitting"  # take no new work until a notice follows or patience ends
REBALANCE_REPLACE = "replace"  # go on until Auto Scaling has a new node in service (Capacity Rebalancing)
REBALANCE_REACTIONS = (REBALANCE_IGNORE, REBALANCE_STOP_ADMITTING, REBALANCE_REPLACE)

# --- Warm-up phases, in order; each in seconds. Launch is from the instance's pending time to the start of its
# operating system, boot from there to the start of the service's process.
PHASE_LAUNCH = "launch"
PHASE_BOOT = "boot"
PHASE_DOWNLOAD = "download"
PHASE_VERIFY = "verify"
PHASE_CACHE = "cache"  # fetching the engine's compiled code
PHASE_LOAD = "load"
PHASE_PROBE = "probe"
WARM_UP_PHASES = (PHASE_LAUNCH, PHASE_BOOT, PHASE_DOWNLOAD, PHASE_VERIFY, PHASE_CACHE, PHASE_LOAD, PHASE_PROBE)

# --- Where the engine's compiled code came from.
CACHE_FETCHED = "fetched"  # from the bucket
CACHE_KEPT = "kept"  # from this node's disk
CACHE_ABSENT = "absent"  # nobody has published any: the engine compiles
CACHE_REFUSED = "refused"  # published, and of no use: the engine compiles
CACHE_NONE = "none"  # the engine compiles nothing that could be kept
CACHE_OUTCOMES = (CACHE_FETCHED, CACHE_KEPT, CACHE_ABSENT, CACHE_REFUSED, CACHE_NONE)

# --- What comes of a job that a node was given: a result, or another try, or a dead letter.
JOB_COMPLETED = "completed"
JOB_FAILED = "failed"  # for a reason that no other try would change
JOB_EXPIRED = "expired"
JOB_FOUND_DONE = "found_done"  # another node has written the result
JOB_RETRIED = "retried"
JOB_GIVEN_BACK = "given_back"  # the node had to leave, or was busy
JOB_DEAD = "dead"
JOB_OUTCOMES = (JOB_COMPLETED, JOB_FAILED, JOB_EXPIRED, JOB_FOUND_DONE, JOB_RETRIED, JOB_GIVEN_BACK, JOB_DEAD)

# --- Prometheus metrics.
METRIC_NODE_STATE = "inference_node_state"  # gauge, label state: 1 for the present one
METRIC_WARM_UP_SECONDS = "inference_warm_up_seconds"  # gauge, label phase
METRIC_COMPILE_CACHE = "inference_compile_cache"  # gauge, label outcome (CACHE_OUTCOMES): 1 for the present one
METRIC_NODE_IN_FLIGHT = "inference_node_in_flight_requests"
METRIC_NODE_TOKENS = "inference_node_generated_tokens"  # counter: exposed as ..._total
METRIC_NODE_INTERRUPTIONS = "inference_node_interruptions"  # counter, label kind: exposed as ..._total
METRIC_NODE_JOBS = "inference_node_jobs"  # counter, label outcome (JOB_OUTCOMES): exposed as ..._total
METRIC_ENGINE_RUNNING = "inference_engine_running_requests"
METRIC_ENGINE_WAITING = "inference_engine_waiting_requests"
METRIC_GATEWAY_REQUESTS = "inference_gateway_requests"  # counter, label code: exposed as ..._total
METRIC_GATEWAY_NODES = "inference_gateway_nodes"  # gauge, label state
METRIC_GATEWAY_FIRST_TOKEN_SECONDS = "inference_gateway_time_to_first_token_seconds"  # histogram
METRIC_GATEWAY_IN_FLIGHT = "inference_gateway_in_flight_requests"
METRIC_GATEWAY_WAITING = "inference_gateway_waiting_requests"  # held until a node is warm
METRIC_GATEWAY_TOKENS = "inference_gateway_streamed_tokens"  # counter: exposed as ..._total
METRIC_GATEWAY_BROKEN_STREAMS = "inference_gateway_broken_streams"  # counter: exposed as ..._total
METRIC_GATEWAY_RESUMED_STREAMS = "inference_gateway_resumed_streams"  # counter, a takeover each: exposed as ..._total
METRIC_GATEWAY_DISCOVERY_AGE_SECONDS = "inference_gateway_discovery_age_seconds"  # since EC2 last listed the nodes

# --- CloudWatch metrics that gateways and the planner publish, by environment and model; all are sums.
NAMESPACE_WARMFLEET = "Warmfleet"
DIMENSION_ENVIRONMENT, DIMENSION_MODEL = "Environment", "Model"
METRIC_OFFERED_TOKENS = "OfferedTokens"  # that requests of the minute are expected to need
METRIC_WAITING_TOKENS = "WaitingTokens"  # of requests that no warm node could take yet
METRIC_ANSWERED_REQUESTS = "AnsweredRequests"
METRIC_LATE_REQUESTS = "LateRequests"  # of those: waited longer than promised, or refused for want of a node
METRIC_PLANS = "Plans"  # 1 for each plan that was made; none for minutes means that the planner is dead
METRIC_WANTED_SPOT, METRIC_WANTED_ON_DEMAND = "WantedSpot", "WantedOnDemand"
METRIC_EXPECTED_DEMAND = "ExpectedDemandReplicas"
METRIC_EXPECTED_READY = "ExpectedReadyReplicas"
METRIC_EXPECTED_READY_SECONDS = "ExpectedReadySeconds"
METRIC_WARM_UP_P50, METRIC_WARM_UP_P90 = "WarmUpP50Seconds", "WarmUpP90Seconds"  # measured, else the prior
METRIC_WARM_UP_P99 = "WarmUpP99Seconds"
METRIC_REFUSALS = "Refusals"  # of the brakes
SLO_WAIT_SECONDS = 20.0  # promised where a stack says nothing else


def model_dimensions(environment: str, model: str) -> list[dict[str, str]]:
    """The dimensions of each metric above."""
    return [
        {"Name": DIMENSION_ENVIRONMENT, "Value": environment},
        {"Name": DIMENSION_MODEL, "Value": model},
    ]


# --- CloudWatch metrics of hosts, which their CloudWatch agent publishes, by group.
NAMESPACE_HOSTS = "Warmfleet/Hosts"

# --- CloudWatch metrics that AWS publishes and the dashboard and alarms read. One name per line, as AWS spells it.
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html
NAMESPACE_GROUPS = "AWS/AutoScaling"
DIMENSION_GROUP = "AutoScalingGroupName"
METRIC_GROUP_DESIRED = "GroupDesiredCapacity"
METRIC_GROUP_IN_SERVICE = "GroupInServiceInstances"
METRIC_GROUP_PENDING = "GroupPendingInstances"
METRIC_GROUP_TERMINATING = "GroupTerminatingInstances"
GROUP_METRICS = (METRIC_GROUP_DESIRED, METRIC_GROUP_IN_SERVICE, METRIC_GROUP_PENDING, METRIC_GROUP_TERMINATING)
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
NAMESPACE_QUEUES = "AWS/SQS"
DIMENSION_QUEUE = "QueueName"
METRIC_QUEUE_SENT = "NumberOfMessagesSent"
METRIC_QUEUE_DELETED = "NumberOfMessagesDeleted"
METRIC_QUEUE_VISIBLE = "ApproximateNumberOfMessagesVisible"
METRIC_QUEUE_OLDEST_SECONDS = "ApproximateAgeOfOldestMessage"
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
NAMESPACE_EVENTS = "AWS/Events"
DIMENSION_RULE = "RuleName"
METRIC_RULE_TRIGGERED = "TriggeredRules"
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
NAMESPACE_BALANCER = "AWS/ApplicationELB"
DIMENSION_BALANCER = "LoadBalancer"
DIMENSION_TARGETS = "TargetGroup"
METRIC_BALANCER_REQUESTS = "RequestCount"
METRIC_BALANCER_TARGET_5XX = "HTTPCode_Target_5XX_Count"
METRIC_BALANCER_RESPONSE_SECONDS = "TargetResponseTime"
METRIC_TARGETS_HEALTHY = "HealthyHostCount"

# --- Outputs of the Pulumi stack.
OUTPUT_REGION = "region"
OUTPUT_ENVIRONMENT = "environment"
OUTPUT_BUCKET = "bucketName"
OUTPUT_GATEWAY_URL = "gatewayUrl"
OUTPUT_GATEWAY_GROUP = "gatewayGroup"
OUTPUT_FLEETS = "fleets"  # {model: {FLEET_*: …}}
OUTPUT_SERVICE_VERSION = "serviceVersion"
OUTPUT_PROMOTER_ROLE = "promoterRoleArn"  # the one role that may write pointers
OUTPUT_API_KEYS_PARAMETER = "apiKeysParameter"  # SSM SecureString with hashes of API keys
OUTPUT_INTERRUPTIONS_QUEUE = "interruptionsQueueUrl"
OUTPUT_ALARM_TOPIC = "alarmTopicArn"
OUTPUT_DASHBOARD = "dashboard"
OUTPUT_HOURLY_USD = "hourlyUsd"  # {idle, most, unpriced}
FLEET_SPOT_GROUP = "spotGroup"
FLEET_ON_DEMAND_GROUP = "onDemandGroup"
FLEET_INITIAL_NODES = "initialNodes"
FLEET_ON_DEMAND_BASE = "onDemandBaseNodes"
FLEET_JOBS_QUEUE = "jobsQueueUrl"
FLEET_DEAD_LETTERS_QUEUE = "deadLettersQueueUrl"
FLEET_LAUNCH_HOOK = "launchHook"
FLEET_TERMINATE_HOOK = "terminateHook"
