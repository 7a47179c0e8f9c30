"""The published table: every order control of a placer against every state of the order."""

import itertools
import re
from pathlib import Path

import pytest
from order_service.domain.control import CONTROLS
from order_service.domain.life import MOVES, Act, Life

README = Path(__file__).parents[2] / "README.md"
STATES = (None, *Life)


def published() -> dict[str, dict[str, str]]:
    """The table of the README: order control → column → cell."""
    found = re.search(r"^\| ORC-1 .*?(?=\n\n)", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in found[0].splitlines())
    return {control: dict(zip(head[1:], row[1:], strict=True)) for row in rows for control in row[0].split(", ")}


def cell(code: str, life: Life | None) -> str:
    """What the code does to an order in this state: the state after it, or how it is refused."""
    control = CONTROLS[code]
    if life is None:
        return "waits" if control.waits else Life.ORDERED if control.places else "204"
    after = MOVES.get((life, control.act))
    if after is None:
        return control.unable
    return "=" if after is life and control.act is not Act.CHANGE else after


@pytest.mark.parametrize(("code", "life"), list(itertools.product(CONTROLS, STATES)))
def test_the_readme_says_what_the_data_says(code: str, life: Life | None) -> None:
    assert published()[code][life or "unknown"] == cell(code, life)


def test_the_readme_lists_no_other_order_control() -> None:
    assert published().keys() == CONTROLS.keys()


def test_every_wish_of_a_placer_has_an_order_control() -> None:
    wishes = {Act.CHANGE, Act.CANCEL, Act.REPLACE, Act.HOLD, Act.RELEASE, Act.NUMBER}
    assert {control.act for control in CONTROLS.values()} == wishes


@pytest.mark.parametrize("act", [Act.CHANGE, Act.CANCEL, Act.REPLACE, Act.HOLD])
@pytest.mark.parametrize("life", [Life.IN_PROGRESS, Life.PERFORMED, Life.DISCONTINUED, Life.COMPLETED])
def test_a_started_exam_wins_over_every_wish(act: Act, life: Life) -> None:
    assert (life, act) not in MOVES
