"""Each role's page is what its argument specs say."""

import pytest

from scripts.role_pages import ROLES, page, roles


@pytest.mark.parametrize("role", roles())
def test_a_roles_page_is_the_one_that_its_specs_write(role: str) -> None:
    assert (ROLES / role / "README.md").read_text() == page(role), "run: .venv/bin/python -m scripts.role_pages"
