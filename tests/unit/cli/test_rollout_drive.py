"""A whole rollout on a played clock: nodes follow the pointer as real ones do, and every write is seen."""

import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from inference_service.artifacts import ArtifactError, Pointer, VersionRef, place
from scripts.exit_codes import CommandError
from scripts.gateway_client import GatewayError
from scripts.progress import Steps
from scripts.rollout.drive import Rollout, TakenOverError
from scripts.rollout.history import begin

OLD, NEW, OTHER = (VersionRef(f"v{number}", str(number) * 64) for number in (1, 2, 3))
WARM_UP = 2.0
# With different places, the lowest first.
NODES = sorted({place(f"i-{number:08x}"): f"i-{number:08x}" for number in range(4)}.items())
FIRST, *OTHERS = [name for _, name in NODES]


@dataclass
class Played:
    """Bucket, gateway and nodes. `at` calls something once when the clock has come so far."""

    pointer: Pointer = field(default_factory=lambda: Pointer(OLD))
    refuses: set[str] = field(default_factory=set)
    silent: bool = False
    in_flight: int = 0
    read_only: bool = False
    now: float = 1000.0
    written: list[Pointer] = field(default_factory=list)
    most_out: int = 0
    at: dict[float, Callable[[], None]] = field(default_factory=dict)
    serving: dict[str, VersionRef] = field(default_factory=lambda: {name: OLD for _, name in NODES})
    changing: dict[str, float] = field(default_factory=dict)

    def read(self) -> Pointer:
        return self.pointer

    def write(self, pointer: Pointer) -> None:
        if self.read_only:
            raise ArtifactError("AccessDenied")
        self.pointer = pointer
        self.written.append(pointer)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for when in [when for when in self.at if when <= self.now - 1000.0]:
            self.at.pop(when)()
        for name, served in self.serving.items():
            wanted = self.pointer.version_for(name)
            if wanted == served:
                self.changing.pop(name, None)
            elif self.changing.setdefault(name, self.now) + WARM_UP <= self.now and not self.refused(name):
                self.serving[name] = wanted
                self.changing.pop(name)
        self.most_out = max(self.most_out, len(self.changing))

    def refused(self, name: str) -> bool:
        return self.pointer.version_for(name) != OLD and name in self.refuses

    def look(self) -> list[dict[str, Any]]:
        if self.silent:
            raise GatewayError("no gateway answers")
        return [self.described(name) for name in self.serving]

    def described(self, name: str) -> dict[str, Any]:
        phases = {"launch": 9.0, "download": 0.5, "verify": 0.5, "load": 0.5, "probe": 0.5}
        report: dict[str, Any] = {
            "state": "draining" if name in self.changing else "ready",
            "version": self.serving[name].version,
            "slots": 2,
            "in_flight": self.in_flight,
            "pid": 1,
            "warm_up_seconds": phases,
        }
        if self.refused(name):
            report |= {"refused": "v2", "error": "m.gguf differs from its manifest"}
        return {"instance_id": name, "model": "tiny", "in_flight": 0, "report": report, "error": None}


def rollout(played: Played) -> tuple[Rollout, io.StringIO]:
    said = io.StringIO()
    steps = Steps(said, lambda: played.now)
    begun = begin(played.now)
    made = Rollout(
        "tiny", NEW, played.pointer, played, played.look, begun, steps, lambda: played.now, played.sleep
    )  # fmt: skip
    return made, said


def test_a_canary_then_waves_then_the_candidate_is_current_and_one_node_was_out_at_most() -> None:
    played = Played()
    made, said = rollout(played)
    assert made.run() == Pointer(NEW, previous=OLD) == played.pointer
    assert [pointer.wave_percent for pointer in played.written] == [NODES[0][0] + 1, NODES[1][0] + 1, 100, 0]
    assert [wave.nodes for wave in made.waves] == [(FIRST,), (OTHERS[0],), tuple(OTHERS[1:])]
    assert set(played.serving.values()) == {NEW}
    lines = [line for line in said.getvalue().splitlines() if line.startswith("ok")]
    assert [line.split(":")[0] for line in lines] == [
        "ok   look", "ok   canary", f"ok   wave {NODES[1][0] + 1} %", "ok   wave 100 %", "ok   promote",
    ]  # fmt: skip
    assert f"{FIRST} serves v2" in lines[1]


def test_under_load_fewer_nodes_change_at_a_time() -> None:
    played = Played(in_flight=1)
    made, _ = rollout(played)
    made.run()
    assert played.most_out == 2  # four in flight: two nodes of two slots stay
    busier = Played()
    busier.in_flight = 1
    busier.serving.pop(OTHERS[2])
    made, _ = rollout(busier)
    made.run()
    assert busier.most_out == 1  # three in flight: two of three nodes stay


def test_a_refusing_canary_sets_the_wave_back_and_says_node_file_and_what_stays() -> None:
    played = Played(refuses={FIRST})
    made, said = rollout(played)
    with pytest.raises(CommandError) as failed:
        made.run()
    text = str(failed.value)
    assert text.startswith(f"tiny stays on v1, its nodes are back on it: {FIRST} cannot serve v2: m.gguf differs")
    assert failed.value.exit_code == 1
    assert played.pointer == Pointer(OLD)
    assert (set(played.serving.values()), played.changing) == ({OLD}, {})
    assert "FAIL canary" in said.getvalue()


def test_a_later_failure_brings_every_node_of_the_wave_back() -> None:
    played = Played(refuses={OTHERS[1]})
    made, _ = rollout(played)
    with pytest.raises(CommandError, match=f"{OTHERS[1]} cannot serve v2"):
        made.run()
    assert played.pointer == Pointer(OLD)
    assert set(played.serving.values()) == {OLD}


def test_ctrl_c_sets_the_wave_back_and_leaves_no_interrupt_behind() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    played = Played()
    played.at[4.0] = interrupt  # while the canary changes
    made, _ = rollout(played)
    with pytest.raises(
        CommandError, match=r"^tiny stays on v1, its nodes are back on it: it was interrupted"
    ) as failed:
        made.run()
    assert failed.value.__context__ is None  # the command line would call it an interrupt, with another exit code
    assert (played.pointer, set(played.serving.values())) == (Pointer(OLD), {OLD})


def test_an_interrupt_in_the_midst_of_a_write_is_set_back_all_the_same() -> None:
    @dataclass
    class Interrupted(Played):
        def write(self, pointer: Pointer) -> None:
            super().write(pointer)
            if len(self.written) == 1:
                raise KeyboardInterrupt

    played = Interrupted()
    made, _ = rollout(played)
    with pytest.raises(CommandError, match="stays on v1"):
        made.run()
    assert played.pointer == Pointer(OLD)


def test_before_the_first_wave_there_is_nothing_to_set_back() -> None:
    played = Played(in_flight=4)
    made, _ = rollout(played)
    with pytest.raises(CommandError, match=r"tiny stays on v1, nothing was changed: 16 answers were in flight"):
        made.run()
    assert played.written == []


def test_a_pointer_that_somebody_else_changes_is_left_to_them() -> None:
    played = Played()
    theirs = Pointer(OTHER, previous=OLD)
    played.at[4.0] = lambda: setattr(played, "pointer", theirs)
    made, _ = rollout(played)
    with pytest.raises(TakenOverError, match="changed by somebody else"):
        made.run()
    assert played.pointer == theirs


def test_a_wave_that_cannot_be_set_back_is_said_with_the_command_for_it() -> None:
    @dataclass
    class Once(Played):
        def write(self, pointer: Pointer) -> None:
            super().write(pointer)
            self.read_only = True

    made, _ = rollout(Once(refuses={FIRST}))
    with pytest.raises(CommandError, match=r"cannot be set back \(AccessDenied\).*`warmfleet models activate tiny v1`"):
        made.run()


def test_a_gateway_that_is_silent_for_a_while_ends_nothing() -> None:
    played = Played()
    played.at[4.0] = lambda: setattr(played, "silent", True)
    played.at[40.0] = lambda: setattr(played, "silent", False)
    made, _ = rollout(played)
    assert made.run().current == NEW


def test_a_run_that_was_killed_half_way_is_gone_on_with() -> None:
    played = Played(pointer=Pointer(OLD).raised(NEW, NODES[0][0] + 1))
    played.serving[FIRST] = NEW
    made, _ = rollout(played)
    assert made.run() == Pointer(NEW, previous=OLD)
    assert [wave.nodes for wave in made.waves] == [(OTHERS[0],), tuple(OTHERS[1:])]


def test_the_nodes_of_these_tests_have_different_places() -> None:
    assert len(NODES) == 4
    assert all(lower < higher for (lower, _), (higher, _) in itertools.pairwise(NODES))
