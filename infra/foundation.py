"""What everything else of a stack stands on: account, encryption, buckets, service bundle, network."""

from collections.abc import Sequence
from pathlib import Path

import pulumi
import pulumi_aws as aws

from inference_service import contract
from infra.components.encryption_key import EncryptionKey, EncryptionKeyArgs
from infra.components.existing_network import NetworkError, existing_network
from infra.components.log_bucket import LogBucket, LogBucketArgs
from infra.components.model_bucket import ModelBucket, ModelBucketArgs
from infra.components.network import Network, NetworkArgs, Subnets
from infra.components.promoter_role import PromoterRole, PromoterRoleArgs, promoters
from infra.components.service_bundle import ServiceBundle, ServiceBundleArgs
from infra.settings import StackSettings


class Foundation:
    """Declared first, and in this order: the guard against a wrong account comes before everything."""

    key_arn: pulumi.Output[str] | None = None
    subnets: Subnets

    def __init__(self, settings: StackSettings, bundle_folder: Path) -> None:
        self.settings = settings
        self.file = f"Pulumi.{settings.environment}.yaml"
        self.tags = {contract.TAG_ENVIRONMENT: settings.environment}
        self.provider = aws.Provider(
            "aws",
            region=settings.region,
            allowed_account_ids=list(settings.allowed_account_ids),
            default_tags={"tags": self.tags},
        )
        self.opts = pulumi.ResourceOptions(providers=[self.provider])
        self.ask = pulumi.InvokeOptions(provider=self.provider)
        self.account_id = aws.get_caller_identity(opts=self.ask).account_id
        zones = self._zones()  # before anything is declared: too few of them, or a wrong VPC, is one sentence
        existing = self._existing_subnets()
        self._encrypt()
        self._store(bundle_folder)
        self.subnets = existing or self._network(zones)

    def before_boot(self) -> Sequence[pulumi.Resource]:
        """What an instance needs from the moment it boots."""
        return [self.bundle, *([self.subnets.ready] if self.subnets.ready else [])]

    def _keep(self) -> pulumi.ResourceOptions:
        """For buckets and keys: what they hold cannot be made again."""
        kept = self.settings.deletion_protection
        return pulumi.ResourceOptions(protect=kept or None, retain_on_delete=kept or None)

    def _encrypt(self) -> None:
        if self.settings.customer_managed_keys:
            args = EncryptionKeyArgs(self.account_id, self.settings.region, self._keep())
            self.key_arn = EncryptionKey("data", args, self.opts).arn

    def _store(self, bundle_folder: Path) -> None:
        settings, disposable = self.settings, not self.settings.deletion_protection
        log_args = LogBucketArgs(self.account_id, settings.log_retention_days, disposable, self._keep())
        self.logs = LogBucket("logs", log_args, self.opts)
        self.promoter = PromoterRole("promoter", PromoterRoleArgs(self.account_id, settings.environment), self.opts)
        promoter = promoters(self.account_id, settings.environment)
        bucket_args = ModelBucketArgs(promoter, self.logs, self.key_arn, disposable, self._keep())
        self.bucket = ModelBucket("models", bucket_args, self.opts)
        self.promoter.allow(self.bucket.arn, self.key_arn)
        bundle_args = ServiceBundleArgs(bundle_folder, self.bucket.bucket_name, [self.bucket])
        self.bundle = ServiceBundle("service", bundle_args, self.opts)

    def _zones(self) -> Sequence[str]:
        """Real zones alone: a Local Zone has neither NAT gateways nor most instance types.

        Raises:
            NetworkError: the region has fewer than the settings want.
        """
        filters = [aws.GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])]
        names = aws.get_availability_zones(state="available", filters=filters, opts=self.ask).names
        if len(names) < self.settings.zones:
            raise NetworkError(
                f"zones is {self.settings.zones}, but {self.settings.region} has {len(names)}: {', '.join(names)}; "
                f"lower it in {self.file}"
            )
        return names[: self.settings.zones]

    def _existing_subnets(self) -> Subnets | None:
        settings = self.settings
        return existing_network(settings.vpc_id, settings.subnet_ids, self.file, self.ask) if settings.vpc_id else None

    def _network(self, zones: Sequence[str]) -> Subnets:
        settings = self.settings
        args = NetworkArgs(
            region=settings.region,
            cidr=settings.vpc_cidr,
            zones=zones,
            egress=settings.egress,
            log_retention_days=settings.log_retention_days,
            key_arn=self.key_arn,
        )
        return Network("network", args, self.opts).subnets
