"""Which URLs our AWS Budgets answers."""

from moto.budgets.urls import url_bases as url_bases

from localcloud.aws.budgets.responses import LocalBudgetsResponse

url_paths = {"{0}/$": LocalBudgetsResponse.dispatch}
