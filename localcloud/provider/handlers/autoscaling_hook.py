"""Lifecycle hooks of Auto Scaling groups."""

from localcloud.provider.errors import GoneError
from localcloud.provider.handlers.autoscaling_calls import described
from localcloud.provider.resource import AutoName, Aws, Handler, chosen, names
from localcloud.provider.values import Properties


class LifecycleHook(Handler):
    token = "aws:autoscaling/lifecycleHook:LifecycleHook"
    inputs = names("name autoscalingGroupName lifecycleTransition heartbeatTimeout defaultResult notificationMetadata")
    outputs = inputs | names("region")
    replaced_by = names("name autoscalingGroupName")
    auto_name = AutoName()

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = chosen(inputs, ("lifecycleTransition", "heartbeatTimeout", "defaultResult", "notificationMetadata"))
        group = inputs["autoscalingGroupName"]
        client = aws.client("autoscaling")
        client.put_lifecycle_hook(LifecycleHookName=inputs["name"], AutoScalingGroupName=group, **given)
        return str(inputs["name"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        group, name = self._place(id_, known)
        described(aws, group)  # AWS answers for a group that is gone with a plain validation error
        found = aws.client("autoscaling").describe_lifecycle_hooks(
            AutoScalingGroupName=group, LifecycleHookNames=[name]
        )
        if not found["LifecycleHooks"]:
            raise GoneError(id_)
        hook = found["LifecycleHooks"][0]
        metadata = hook.get("NotificationMetadata")
        return {
            "name": name,
            "autoscalingGroupName": group,
            "lifecycleTransition": hook["LifecycleTransition"],
            "heartbeatTimeout": hook["HeartbeatTimeout"],
            "defaultResult": hook["DefaultResult"],
            "region": aws.region,
            **({"notificationMetadata": metadata} if metadata else {}),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self.create(aws, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        group, name = self._place(id_, known)
        self.read(aws, id_, known)  # AWS answers for a hook that is gone with a plain validation error, too
        aws.client("autoscaling").delete_lifecycle_hook(AutoScalingGroupName=group, LifecycleHookName=name)

    @staticmethod
    def _place(id_: str, known: Properties) -> tuple[str, str]:
        if not known:  # an import: the id is GROUP/HOOK
            group, _, name = id_.partition("/")
            return group, name
        return known["autoscalingGroupName"], known["name"]
