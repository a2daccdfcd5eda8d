"""Requests about instance refreshes."""

from typing import Any

from moto.core.responses import ActionResult

from localcloud.aws.autoscaling.refresh_preferences import ROLLING
from localcloud.aws.autoscaling.refreshes import Refreshes

PAGE = 50


class RefreshActions:
    """Mixed into the class that answers requests, which knows their parameters and the groups."""

    autoscaling_backend: Any
    _get_params: Any
    _get_param: Any
    _get_int_param: Any
    _get_bool_param: Any

    def start_instance_refresh(self) -> Any:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_StartInstanceRefresh.html"""
        given = self._get_params()
        started = self._refreshes().start(
            given.get("Strategy") or ROLLING, given.get("Preferences") or {}, given.get("DesiredConfiguration") or {}
        )
        return ActionResult({"InstanceRefreshId": started.id})

    def describe_instance_refreshes(self) -> Any:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeInstanceRefreshes.html"""
        ids = self._get_param("InstanceRefreshIds", [])
        found = [each.document() for each in self._refreshes().all if not ids or each.id in ids]
        begin, size = int(self._get_param("NextToken") or 0), self._get_int_param("MaxRecords") or PAGE
        following = str(begin + size) if len(found) > begin + size else None
        return ActionResult({"InstanceRefreshes": found[begin : begin + size], "NextToken": following})

    def cancel_instance_refresh(self) -> Any:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CancelInstanceRefresh.html"""
        settle = self._get_bool_param("WaitForTransitioningInstances", True)
        return ActionResult({"InstanceRefreshId": self._refreshes().cancel(settle=settle).id})

    def rollback_instance_refresh(self) -> Any:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RollbackInstanceRefresh.html"""
        return ActionResult({"InstanceRefreshId": self._refreshes().roll_back().id})

    def _refreshes(self) -> Refreshes:
        found: Refreshes = self.autoscaling_backend.group(self._get_param("AutoScalingGroupName")).refreshes
        return found
