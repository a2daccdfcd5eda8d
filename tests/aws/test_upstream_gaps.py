"""What localcloud/aws adds to moto is still missing in moto, and is there in the local cloud.

A test that passes unexpectedly (XPASS) is good news: moto has gained the behaviour. Delete its probe, and our code for
it, which the test's reason names.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROBES = Path(__file__).with_name("probes")

ASSERTION, MISSING, KEY, PARAMETER = "AssertionError", "NotImplementedError", "KeyError", "ParameterNotFound"
GROUP, RESPONSES = "localcloud/aws/autoscaling/group.py", "localcloud/aws/autoscaling/responses.py"
BACKEND, HOOKS = "localcloud/aws/autoscaling/models.py", "localcloud/aws/autoscaling/hooks.py"
LAUNCH, EC2 = "localcloud/aws/autoscaling/launch.py", "localcloud/aws/ec2/models.py"
ELB, IMAGES, METADATA = "localcloud/aws/elbv2/models.py", "localcloud/aws/images.py", "localcloud/aws/metadata"
S3, CHECKSUMS = "localcloud/aws/s3/responses.py", "localcloud/aws/s3/checksums.py"
PARTS = "localcloud/aws/s3/parts.py"
REFRESH, REFRESHES = "localcloud/aws/autoscaling/refresh.py", "localcloud/aws/autoscaling/refreshes.py"
POOL, SETTINGS = "localcloud/aws/autoscaling/warm_pool.py", "localcloud/aws/autoscaling/setting_actions.py"
ENDPOINTS = "localcloud/aws/ec2/endpoints.py"

# probe -> how it fails on plain moto, and where our own code for it is
GAPS = {
    "a_launch_hook_holds_an_instance": (ASSERTION, GROUP),
    "a_terminate_hook_holds_an_instance": (ASSERTION, GROUP),
    "hooks_can_be_given_with_the_group": (ASSERTION, RESPONSES),
    "a_hook_without_a_notification_target_has_none": (ASSERTION, BACKEND),
    "a_hook_that_waits_too_long_is_refused": (ASSERTION, HOOKS),
    "an_action_that_no_hook_waits_for_cannot_be_completed": (MISSING, RESPONSES),
    "an_action_that_no_hook_waits_for_has_no_heartbeat": (MISSING, RESPONSES),
    "a_capacity_above_the_maximum_is_refused": (ASSERTION, BACKEND),
    "a_group_beyond_its_own_bounds_is_refused": (ASSERTION, BACKEND),
    "a_mixed_instances_policy_survives_an_update": (ASSERTION, GROUP),
    "default_instance_warm_up_is_kept": (KEY, RESPONSES),
    "capacity_rebalancing_can_be_turned_on_later": (ASSERTION, RESPONSES),
    "a_group_tells_its_activities": (ASSERTION, RESPONSES),
    "a_group_with_instances_is_not_deleted": (ASSERTION, BACKEND),
    "a_policy_tells_its_arn": (KEY, RESPONSES),
    "a_group_that_may_not_launch_does_not": (ASSERTION, GROUP),
    "only_instances_in_service_become_targets": (ASSERTION, BACKEND),
    "an_instance_refresh_replaces_instances": (MISSING, REFRESH),
    "an_instance_refresh_is_described": (MISSING, REFRESH),
    "an_instance_refresh_can_be_cancelled": (MISSING, REFRESHES),
    "a_refresh_that_is_not_active_cannot_be_rolled_back": (MISSING, REFRESHES),
    "a_group_that_buys_spot_has_no_warm_pool": (ASSERTION, POOL),
    "a_warm_pool_is_changed_in_parts": (ASSERTION, POOL),
    "metrics_of_a_group_are_turned_off": (ASSERTION, SETTINGS),
    "the_maximum_lifetime_is_kept": (KEY, RESPONSES),
    "private_names_of_an_endpoint_can_be_turned_off": (ASSERTION, "localcloud/aws/ec2/responses.py"),
    "an_endpoint_has_an_interface_in_each_of_its_subnets": (ASSERTION, ENDPOINTS),
    "accesses_are_logged_into_a_bucket_that_wants_tls": ("AttributeError", "localcloud/aws/log_delivery.py"),
    "a_load_balancer_refuses_a_bucket_that_does_not_exist": (ASSERTION, "localcloud/aws/elbv2/access_logs.py"),
    "a_group_uses_all_its_zones": (ASSERTION, LAUNCH),
    "instances_of_a_group_are_pending_first": (ASSERTION, EC2),
    "a_mixed_group_buys_spot": (ASSERTION, LAUNCH),
    "a_mixed_group_launches_all_of_its_capacity": (ASSERTION, LAUNCH),
    "a_mixed_group_launches_the_types_of_its_policy": (ASSERTION, LAUNCH),
    "a_type_that_does_not_exist_is_not_launched": (ASSERTION, LAUNCH),
    "instances_tell_the_version_they_came_from": (ASSERTION, "localcloud/aws/autoscaling/member.py"),
    "later_versions_of_a_template_have_user_data": (ASSERTION, "localcloud/aws/ec2/responses.py"),
    "a_template_gives_its_instances_a_profile": (ASSERTION, EC2),
    "a_template_gives_its_instances_metadata_options": (ASSERTION, EC2),
    "a_template_gives_its_instances_security_groups": (ASSERTION, EC2),
    "a_new_target_is_not_healthy_before_it_is_checked": (ASSERTION, ELB),
    "a_protected_load_balancer_is_not_deleted": (ASSERTION, ELB),
    "ubuntus_newest_image_has_a_parameter": (PARAMETER, IMAGES),
    "the_deep_learning_image_has_a_parameter": (PARAMETER, IMAGES),
    "an_image_of_an_instance_is_pending_first": (ASSERTION, "localcloud/aws/ec2/image_copies.py"),
    "the_snapshot_of_an_image_gets_its_tags": (MISSING, "localcloud/aws/ec2/image_copies.py"),
    "a_console_tells_of_no_other_machine": (ASSERTION, "localcloud/aws/ec2/responses.py"),
    "metadata_is_told_only_for_a_token": (ASSERTION, METADATA),
    "metadata_knows_no_notice_where_none_was_given": (MISSING, METADATA),
    "a_wrong_sha256_is_refused": (ASSERTION, CHECKSUMS),
    "a_wrong_crc32_is_refused": (ASSERTION, CHECKSUMS),
    "a_wrong_sha256_of_a_part_is_refused": (ASSERTION, CHECKSUMS),
    "a_checksum_that_is_none_is_refused": (ASSERTION, CHECKSUMS),
    "a_checksum_is_kept_without_its_algorithm_being_named": (ASSERTION, S3),
    "the_checksum_of_an_upload_in_parts_ends_with_their_number": (ASSERTION, S3),
    "a_part_with_another_kind_of_checksum_than_its_upload_is_refused": (ASSERTION, PARTS),
    "an_upload_in_parts_does_not_end_without_their_checksums": (ASSERTION, PARTS),
    "a_range_is_read_without_the_whole_object": (ASSERTION, "localcloud/aws/s3/ranges.py"),
    "of_two_conditional_writes_at_the_same_time_one_wins": (ASSERTION, S3),
}
Outcomes = dict[str, tuple[str, str] | None]


class GapError(Exception):
    """Plain moto fails a probe in the way that we know."""


def probe(world: str) -> Outcomes:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    ended = subprocess.run(
        [sys.executable, str(PROBES), world], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=100
    )
    assert ended.returncode == 0, ended.stderr
    outcomes: Outcomes = json.loads(ended.stdout)
    return outcomes


@pytest.fixture(scope="module")
def plain() -> Outcomes:
    return probe("plain")


def gap(name: str) -> object:
    reason = f"moto lacks it; ours is in {GAPS[name][1]}"
    return pytest.param(name, marks=pytest.mark.xfail(strict=True, raises=GapError, reason=reason))


@pytest.mark.parametrize("name", [gap(name) for name in GAPS])
def test_plain_moto_now_has_it_too(plain: Outcomes, name: str):
    if (failure := plain[name]) is not None:
        kind, text = failure
        assert kind == GAPS[name][0], f"the probe fails in a new way: {kind} {text}"
        raise GapError(text)


def test_every_probe_is_one_of_the_gaps(plain: Outcomes):
    assert sorted(plain) == sorted(GAPS)


def test_the_local_cloud_has_what_moto_lacks():
    assert {name: failure for name, failure in probe("local").items() if failure} == {}
