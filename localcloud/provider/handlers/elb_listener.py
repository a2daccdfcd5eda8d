"""Listeners."""

from collections.abc import Mapping
from typing import Any

from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, key_values, tag_outputs
from localcloud.provider.handlers.elb_resource import Elb, tags_of
from localcloud.provider.resource import Aws, camel, chosen, names, pascal
from localcloud.provider.values import Properties


class Listener(Elb):
    token = "aws:lb/listener:Listener"
    inputs = (
        names("loadBalancerArn port protocol sslPolicy certificateArn defaultActions.type defaultActions.order")
        | names("defaultActions.targetGroupArn defaultActions.fixedResponse.contentType")
        | names("defaultActions.fixedResponse.messageBody defaultActions.fixedResponse.statusCode")
        | frozenset(
            f"defaultActions.redirect.{name}" for name in ("host", "path", "port", "protocol", "query", "statusCode")
        )
        | TAG_INPUTS
    )
    outputs = names("arn loadBalancerArn port protocol sslPolicy certificateArn defaultActions") | TAG_OUTPUTS
    replaced_by = names("loadBalancerArn")
    renamed: Mapping[str, str] = {"fixedResponse": "FixedResponseConfig", "redirect": "RedirectConfig"}

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = self._settings(inputs)
        if tags := inputs.get("tags"):
            given["Tags"] = key_values(tags)
        reply = aws.client("elbv2").create_listener(LoadBalancerArn=inputs["loadBalancerArn"], **given)
        return str(reply["Listeners"][0]["ListenerArn"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        listener = aws.client("elbv2").describe_listeners(ListenerArns=[id_])["Listeners"][0]
        certificates = listener.get("Certificates", [])
        return {
            "arn": id_,
            "loadBalancerArn": listener["LoadBalancerArn"],
            "port": listener["Port"],
            "protocol": listener["Protocol"],
            "sslPolicy": listener.get("SslPolicy") or "",
            "certificateArn": certificates[0]["CertificateArn"] if certificates else "",
            "defaultActions": [self._action(each) for each in listener["DefaultActions"]],
            **tag_outputs(tags_of(aws, id_), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        aws.client("elbv2").modify_listener(ListenerArn=id_, **self._settings(inputs))
        self.set_tags(aws, id_, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("elbv2").delete_listener(ListenerArn=id_)

    def _settings(self, inputs: Properties) -> dict[str, Any]:
        given = chosen(inputs, ("port", "protocol", "sslPolicy"))
        given["DefaultActions"] = pascal(inputs["defaultActions"], self.renamed)
        if "certificateArn" in inputs:
            given["Certificates"] = [{"CertificateArn": inputs["certificateArn"]}]
        return given

    def _action(self, action: dict[str, Any]) -> Properties:
        # AWS repeats a forward to one target group as a weighted forward, which the program did not write.
        kept = {key: value for key, value in action.items() if key != "ForwardConfig"}
        turned: Properties = camel(kept, self.renamed)
        return turned
