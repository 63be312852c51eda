"""What the generalist policies cost, and how soon they do what the instruction says on a toy of coloured squares.

Run `OMP_NUM_THREADS=1 python -m benchmarks.generalist [--toy] [--json FILE]`. Weights are random for the costs: they do
not depend on them. `--toy` takes about a CPU-minute more.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch

from benchmarks.report import Row, against, arguments, publish
from benchmarks.training_turns import by_turns
from tests.policy_toys import ACTION, STATE, TARGET, THIRD, WRIST, build, hits, learn, observation

CAMERAS = ((WRIST, 96, 96), (THIRD, 96, 128))
BOUND_MS = {"film": 3.0, "pi0_mini": 30.0}
BATCH = 64
# Updates, and learning rate, of the toy.
TOYS: dict[str, tuple[int, float]] = {"film": (160, 3e-3), "pi0_mini": (360, 2e-3)}


def cost_rows(kind: str, rounds: int) -> list[Row]:
    """Return parameters, CPU time of a chunk, and frames trained per CPU-second."""
    toy = build(kind, cameras=CAMERAS, states=8, actions=8)
    seen, batch = observation(CAMERAS, 8), toy.before(_demonstrations())
    prepared = toy.before(seen)

    def act() -> None:
        with torch.inference_mode():
            toy.after(toy.policy.predict_action_chunk(toy.before(seen)))

    def act_alone() -> None:
        with torch.inference_mode():
            toy.policy.predict_action_chunk(prepared)

    def update() -> None:
        toy.policy.train()
        toy.policy(batch)[0].backward()

    acting = by_turns({"chunk": act, "chunk_alone": act_alone}, rounds=rounds, seconds=0.2)
    training = by_turns({"update": update}, rounds=max(rounds // 4, 3), seconds=0.2)["update"]
    count = sum(parameter.numel() for parameter in toy.policy.parameters())
    return [
        Row(f"{kind}.parameters", count, ""),
        *against(Row(f"{kind}.chunk", 1e3 * acting["chunk"].cpu_s, "ms"), BOUND_MS[kind]),
        Row(f"{kind}.chunk_without_processors", 1e3 * acting["chunk_alone"].cpu_s, "ms"),
        Row(f"{kind}.trained", BATCH / training.cpu_s, "1/s"),
    ]


def toy_rows(kind: str, **options: float) -> list[Row]:
    """Return hits with the right and with a swapped instruction as the toy is learnt."""
    toy, (updates, rate) = build(kind, shift_px=0, **options), TOYS[kind]
    label = ".".join((f"toy.{kind}", *(f"{name}={value:g}" for name, value in options.items())))
    rows, started_s = [], time.process_time()

    def watch(step: int) -> None:
        if step % (updates // 4) == 0:
            rows.append(Row(f"{label}.{step}.cpu", time.process_time() - started_s, "s"))
            rows.extend(
                Row(f"{label}.{step}.{name}", hits(toy, named, count=96), "")
                for named, name in enumerate(("hit", "swapped"))
            )

    learn(toy, updates, rate=rate, after_step=watch)
    return rows


def _demonstrations() -> dict[str, Any]:
    images = {key: torch.rand(BATCH, 3, height, width) for key, height, width in CAMERAS}
    numbers = {STATE: torch.randn(BATCH, 8), ACTION: torch.randn(BATCH, 8, 8), TARGET: torch.zeros(BATCH, 3)}
    return {**images, **numbers, "task": ["Pick up the red mug from the bookcase."] * BATCH}


def _options() -> argparse.Namespace:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="means that a median is taken over")
    parser.add_argument("--toy", action="store_true", help="train on the toy, with and without the auxiliary loss")
    return parser.parse_args()


def main() -> None:
    """Measure and publish."""
    options = _options()
    torch.set_num_threads(1)
    rows = [row for kind in BOUND_MS for row in cost_rows(kind, options.rounds)]
    if options.toy:
        rows += toy_rows("film") + toy_rows("film", target_weight=0.0) + toy_rows("pi0_mini")
    publish(rows, options.json)


if __name__ == "__main__":
    main()
