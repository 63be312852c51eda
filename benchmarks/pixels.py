"""What each way to learn from pixels is worth: an ablation on paired validation layouts, plain and shifted.

Run `python -m benchmarks.pixels --data runs/search/demonstrations`. Every row trains from the same demonstrations with
the same seeds, and differs from the row `shift` by what its name adds. It is judged twice on the same layouts: under
the randomisation it was trained with (`train`), and under one that it never saw (`shifted`). Demonstrations that are
missing are recorded first. A killed run continues: trainings from their checkpoints, evaluations from the rows that
are done.

`hf-tiny` is a tiny DINOv2 with *random* weights, written by this script: it measures the path through a frozen
backbone and its feature cache, not what a pretrained backbone is worth. Name one that you have with `--backbone DIR`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from robots.errors import UsageError
from robots.files import write_atomically
from search_policy.episodes.collect import collect
from search_policy.episodes.dataset import load_frames, shards
from search_policy.episodes.evaluation import EvaluationConfig, Method, Score, evaluate, summarize, table_of
from search_policy.learning.config import CollectConfig, TrainConfig
from search_policy.learning.replay import Frames
from search_policy.learning.trainer import train_on
from search_policy.pixels.config import PixelConfig

REFERENCE = "shift"
PRESETS = ("train", "shifted")
FIRST_LAYOUT = 160_000
SHIFT = PixelConfig()
EVERYTHING = replace(SHIFT, jitter=0.8, noise=0.5, cutout=0.5, blur=0.5)
ROWS: dict[str, PixelConfig] = {
    "none": replace(SHIFT, shift_px=0),
    "shift": SHIFT,
    "+jitter": replace(SHIFT, jitter=0.8),
    "+noise": replace(SHIFT, noise=0.5),
    "+cutout": replace(SHIFT, cutout=0.5),
    "+blur": replace(SHIFT, blur=0.5),
    "+all four": EVERYTHING,
    "+drac": replace(SHIFT, drac=0.1),
    "+curl": replace(SHIFT, curl=1.0),
    "end-to-end": replace(SHIFT, training="end_to_end"),
    "hf-tiny": SHIFT,
}


def main(words: Sequence[str]) -> None:
    """Train and judge what is missing, and print one table per randomisation preset."""
    torch.set_num_threads(1)
    options = _parser().parse_args(words)
    unknown = [row for row in options.rows if row not in ROWS]
    if unknown:
        raise UsageError.unknown("row of the ablation", unknown[0], ROWS)
    frames = _demonstrations(options)
    scores: dict[str, list[Score]] = {preset: [] for preset in PRESETS}
    for row, seed in [(row, seed) for seed in range(options.seeds) for row in options.rows]:
        config = _training(row, seed, options)
        folder = train_on(config, frames) if not _done(config, options) else Path(config.out) / "actor"
        for preset in PRESETS:
            scores[preset] += _judged(row, seed, folder, preset, options)
    for preset in PRESETS:
        _report(scores[preset], preset, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("runs/pixels/demonstrations"), help="demonstrations")
    parser.add_argument("--out", type=Path, default=Path("runs/pixels"), help="folder of the ablation")
    parser.add_argument("--task", default="bookshelf_pineapple")
    parser.add_argument("--demonstrations", type=int, default=150, help="episodes to record when there are none")
    parser.add_argument("--seeds", type=int, default=1, help="training seeds")
    parser.add_argument("--layouts", type=int, default=60, help="validation layouts per preset")
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--pretrain", type=int, default=400, help="updates of the encoder on free labels")
    parser.add_argument("--method", default="aawr")
    parser.add_argument("--backbone", default="", help="encoder of the row hf-tiny: a folder instead of random weights")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    return parser


def _demonstrations(options: argparse.Namespace) -> Frames:
    if not shards(options.data):
        config = CollectConfig(tasks=(options.task,), episodes=options.demonstrations, workers=1)
        collect(config, TrainConfig().search, options.data)
    return load_frames(options.data)


def _training(row: str, seed: int, options: argparse.Namespace) -> TrainConfig:
    config = TrainConfig(
        method=options.method,
        data=str(options.data),
        out=str(_folder(row, seed, options)),
        seed=seed,
        updates=options.updates,
        pretrain_updates=options.pretrain,
        pixels=replace(ROWS[row], features=str(options.out / "features")),
        collect=CollectConfig(tasks=(options.task,)),
    )
    if row != "hf-tiny":
        return config
    encoder = f"hf:{options.backbone or _tiny_backbone(options.out / 'tiny')}"
    return replace(config, network=replace(config.network, encoder=encoder))


def _folder(row: str, seed: int, options: argparse.Namespace) -> Path:
    name = row.replace("+", "plus-").replace(" ", "-")
    folder: Path = options.out / f"{name}-{seed}"
    return folder


def _done(config: TrainConfig, options: argparse.Namespace) -> bool:
    """Whether nothing of a training is left to do, so that its folder need not be opened again."""
    return all(_scores_path(Path(config.out), preset, options).is_file() for preset in PRESETS)


def _scores_path(folder: Path, preset: str, options: argparse.Namespace) -> Path:
    return folder / f"scores-{preset}-{options.layouts}.json"


def _judged(row: str, seed: int, actor: Path, preset: str, options: argparse.Namespace) -> list[Score]:
    path = _scores_path(actor.parent, preset, options)
    if not path.is_file():
        layouts = tuple(range(FIRST_LAYOUT, FIRST_LAYOUT + options.layouts))
        config = EvaluationConfig(tasks=(options.task,), seeds=layouts, randomization=preset)
        found = evaluate([Method(row, str(actor))], config)
        write_atomically(path, json.dumps([asdict(score) for score in found]).encode())
    # A layout met by the policies of two training seeds is two paired cells.
    return [Score(**{**cell, "task": f"{cell['task']} {seed}"}) for cell in json.loads(path.read_text())]


def _report(scores: list[Score], preset: str, options: argparse.Namespace) -> None:
    reference = REFERENCE if REFERENCE in options.rows else options.rows[0]
    summary = summarize(scores, reference)
    write_atomically(options.out / f"summary-{preset}.json", (json.dumps(summary, indent=1) + "\n").encode())
    sys.stdout.write(f"\nrandomization {preset}\n{table_of(summary, reference)}\n")
    for line in _paired(scores, reference):
        sys.stdout.write(line + "\n")


def _paired(scores: list[Score], reference: str) -> Iterator[str]:
    """Yield McNemar's exact p-value of each row against the reference: only layouts where one of the two failed."""
    from statsmodels.stats.contingency_tables import mcnemar

    found = {(score.method, score.task, score.seed): score.found for score in scores}
    layouts = {(task, seed) for _, task, seed in found}
    for row in dict.fromkeys(score.method for score in scores):
        won = sum(found[row, *cell] and not found[reference, *cell] for cell in layouts)
        lost = sum(found[reference, *cell] and not found[row, *cell] for cell in layouts)
        p = float(mcnemar([[0, won], [lost, 0]], exact=True).pvalue) if won + lost else 1.0
        yield f"found only by {row} {won}, only by {reference} {lost}, McNemar p = {p:.3f}"


def _tiny_backbone(folder: Path) -> Path:
    """Write a DINOv2 of random weights as `save_pretrained` does, once, and return its folder."""
    if not (folder / "preprocessor_config.json").is_file():
        from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

        torch.manual_seed(0)
        shape = {"image_size": 84, "patch_size": 14, "hidden_size": 64, "num_hidden_layers": 3}
        Dinov2Model(Dinov2Config(num_attention_heads=4, **shape)).save_pretrained(folder)
        BitImageProcessor(size={"height": 84, "width": 84}, do_center_crop=False).save_pretrained(folder)
    return folder.resolve()


if __name__ == "__main__":
    main(sys.argv[1:])
