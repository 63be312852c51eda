import pathlib

import pytest

from handoff.phases import HOLDERS, Phase
from handoff.transitions import STOP_REASONS, TRANSITIONS, CauseName, authority_diagram

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "handoff.md"


def test_the_page_shows_the_diagram_of_the_code():
    assert f"```mermaid\n{authority_diagram()}```" in PAGE.read_text()


def test_the_diagram_names_every_phase_and_every_cause():
    diagram = authority_diagram()
    assert all(f'"{phase} [{HOLDERS[phase]}]" as {phase}' in diagram for phase in Phase)
    assert all(name in diagram for name in CauseName)


@pytest.mark.parametrize("phase", Phase)
def test_exactly_the_causes_that_end_an_episode_have_a_stop_reason(phase):
    for name, target in TRANSITIONS[phase].items():
        assert target.terminal == (name in STOP_REASONS)
    assert bool(TRANSITIONS[phase]) != phase.terminal


def test_every_cause_is_used():
    assert {name for exits in TRANSITIONS.values() for name in exits} == set(CauseName)


def test_the_page_explains_every_phase():
    text = PAGE.read_text()
    assert all(f"`{phase}`" in text for phase in Phase)
