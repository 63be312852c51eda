"""Reading what stands where, and believing where the target is."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from search_fixtures import INTRINSICS, REGION, KinematicWorld, perfect_detector

from robots.errors import CheckpointError, UsageError
from robots.sim.furniture import PartKind
from robots.sim.objects import CLASSES
from robots.types import Task
from search_policy.episodes.rollout import Rollout, RolloutConfig
from search_policy.memory.evidence import missed
from search_policy.memory.seen_map import SeenMap, SeenMapConfig
from search_policy.memory.semantic_map import SemanticMap
from search_policy.motion.geometry import look_at
from search_policy.motion.mover import MoverConfig
from search_policy.motion.viewpoints import ViewConfig, candidate_views
from search_policy.searchers.choosers import RandomChooser
from search_policy.searchers.likely import LikelyChooser
from search_policy.semantics.belief import Belief, belief_loss
from search_policy.semantics.config import InsightConfig
from search_policy.semantics.features import VIEW_FEATURES
from search_policy.semantics.ground_truth import patch_labels
from search_policy.semantics.insight import Insight, name_of
from search_policy.semantics.labels import LABELS, NONE
from search_policy.semantics.reader import Reader, reader_loss
from search_policy.semantics.storage import CONFIG, WEIGHTS, carry_insight, load_insight, save_insight
from search_policy.semantics.training import _claim, fit_insight
from search_policy.skill import SearchConfig, SearchSkill

VIEWS = candidate_views(REGION, ViewConfig())
SHAPE = (len(REGION.compartments), SeenMapConfig().columns)
CHANNELS = 6 + len(LABELS)
FRONT = look_at(np.array([0.35, 0.0, 0.48]), np.array([0.80, 0.0, 0.45]))


def seen_map():
    return SeenMap(REGION, INTRINSICS, VIEWS, SeenMapConfig())


def insight(seed=0):
    torch.manual_seed(seed)
    return Insight(Reader(), Belief(CHANNELS, SHAPE, len(LABELS)))


def test_the_words_are_the_simulations_objects_and_parts():
    assert (NONE, *CLASSES, *(str(kind) for kind in PartKind)) == LABELS


def test_a_patch_is_of_what_covers_a_quarter_of_it():
    ids = np.full((8, 8), -1, dtype=np.int32)
    ids[0:2, 0:2] = 0  # a quarter of the first patch
    ids[0, 4:7] = 1  # less than a quarter of the second
    ids[4:8, 4:8] = 1
    ids[4:6, 4:8] = 0
    ids[6, 4] = 0
    np.testing.assert_array_equal(patch_labels(ids, np.array([3, 5, 0])), [[3, 0], [0, 3]])


class TestSemanticMap:
    def mapped(self, patches, frames=1):
        seen = seen_map()
        semantic = SemanticMap(seen.points_m, seen.shape, INTRINSICS, len(LABELS))
        for _ in range(frames):
            seen.update(FRONT)
            semantic.update(FRONT, seen.in_sight, patches)
        return seen, semantic.channels()

    def test_what_a_patch_shows_is_put_where_its_line_of_sight_enters(self):
        patches = np.zeros((len(LABELS), 21, 21), dtype=np.float32)
        patches[2, :, :7] = 1.0  # the left third of the image: positive y
        seen, channels = self.mapped(patches)
        shown = channels[2]
        columns = np.flatnonzero(shown.max(axis=0))
        assert columns.min() >= SHAPE[1] // 2  # columns run from right to left
        assert channels[[0, 1, 3]].max() == 0.0
        assert seen.in_sight.any()

    def test_what_was_not_seen_stays_zero_and_frames_are_averaged(self):
        one = np.full((len(LABELS), 21, 21), 0.5, dtype=np.float32)
        seen, channels = self.mapped(one, frames=3)
        looked = seen.channels()[0] > 0
        np.testing.assert_allclose(channels[4][looked], 0.5)
        assert channels[4][~looked].max(initial=0.0) == 0.0

    @given(st.permutations(range(4)))
    def test_the_order_of_frames_does_not_matter(self, order):
        poses = [look_at(np.array([0.35, y, 0.48]), np.array([0.8, y, 0.45])) for y in (-0.2, -0.1, 0.1, 0.2)]
        patches = np.random.default_rng(0).random((4, len(LABELS), 21, 21)).astype(np.float32)
        seen = seen_map()
        semantic = SemanticMap(seen.points_m, seen.shape, INTRINSICS, len(LABELS))
        for index in order:
            seen.update(poses[index])
            semantic.update(poses[index], seen.in_sight, patches[index])
        if not hasattr(self, "first"):
            type(self).first = semantic.channels()
        np.testing.assert_allclose(semantic.channels(), self.first, atol=1e-6)


def test_reader_names_what_it_was_taught():
    torch.manual_seed(0)
    reader, labels = Reader(), torch.zeros(4, 21, 21, dtype=torch.long)
    image = torch.zeros(4, 84, 84, 3, dtype=torch.uint8)
    image[:, 40:60, 20:44, 0] = 255
    labels[:, 10:15, 5:11] = 7
    optimizer = torch.optim.Adam(reader.parameters(), 3e-3)
    for _ in range(60):
        loss, metrics = reader_loss(reader(image), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert metrics["recall"] > 0.8
    assert reader.read(image[0].numpy()).argmax(axis=0)[12, 8] == 7


def test_belief_learns_that_one_object_hints_at_another_and_only_for_that_target():
    """The target stands where label 3 is when target 1 is looked for, and elsewhere for target 2."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    belief = Belief(CHANNELS, SHAPE, len(LABELS))
    optimizer = torch.optim.Adam(belief.parameters(), 5e-3)

    def draw(count):
        cell, other = rng.integers(36, size=count), rng.integers(36, size=count)
        seen = np.zeros((count, CHANNELS, 36), dtype=np.float32)
        seen[np.arange(count), 6 + 3, cell] = 1.0
        target = rng.integers(1, 3, size=count)
        place = np.where(target == 1, cell, other)
        name = np.eye(len(LABELS), dtype=np.float32)[target]
        return torch.tensor(seen.reshape(count, CHANNELS, *SHAPE)), torch.tensor(name), torch.tensor(place), target

    for _ in range(150):
        seen, name, place, _ = draw(128)
        loss, _metrics = belief_loss(belief(seen, name), place)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    belief.eval()
    seen, name, place, target = draw(400)
    likely = belief(seen, name).softmax(dim=1)[torch.arange(400), place].detach().numpy()
    assert likely[target == 1].mean() > 0.5
    assert likely[target == 2].mean() < 0.1


class TestInsight:
    def test_features_are_chances_times_and_their_rate(self):
        seen, view = seen_map(), insight()
        view.attach(seen, MoverConfig())
        seen.update(FRONT)
        view.look(np.full((84, 84, 3), 120, dtype=np.uint8), FRONT)
        features = view.view_features()
        assert features.shape == (len(VIEWS), len(VIEW_FEATURES))
        chances, time = features[:, :2], features[:, 2]
        assert ((chances >= 0.0) & (chances <= 1.0)).all()
        assert (time > 0.0).all()
        np.testing.assert_allclose(features[:, 3], 0.3 * np.log((chances[:, 1] + 1e-3) / (3.0 * time)), rtol=1e-4)
        assert view.belief().sum() == pytest.approx(1.0)

    def test_expected_is_what_the_planner_reckons_with(self):
        seen, view = seen_map(), insight()
        view.attach(seen, MoverConfig())
        seen.update(FRONT)
        worth, sides = seen.look_worth()
        detection = seen.evidence.detection()
        mass = seen.point_weights() * missed(detection)
        before = detection[sides, np.arange(sides.shape[1])]
        gain = ((np.maximum(worth, before) - before) / (1 - before)) @ (mass / mass.sum())
        np.testing.assert_allclose(view.view_features()[:, 0], gain, rtol=1e-5)

    def test_reset_forgets(self):
        seen, view = seen_map(), insight()
        view.attach(seen, MoverConfig())
        seen.update(FRONT)
        view.look(np.full((84, 84, 3), 120, dtype=np.uint8), FRONT)
        assert view.channels().any()
        view.reset("duck")
        assert not view.channels().any()

    def test_an_unknown_name_stands_for_any_object(self):
        assert name_of("spoon").sum() == 0.0
        assert name_of("duck")[LABELS.index("duck")] == 1.0


class TestSkill:
    def rollout(self, folder):
        config = SearchConfig(insight=str(folder))
        return Rollout.build(KinematicWorld(), RandomChooser(), config, RolloutConfig(max_steps=120), seed=0)

    def test_the_agent_state_includes_the_features_of_every_view(self, tmp_path):
        stored(tmp_path)
        episode = self.rollout(tmp_path).run("bookshelf_duck", 3, perfect_detector)
        state = episode.decisions[0].state
        assert state.seen_map.shape == (6, *SHAPE)
        assert state.views.shape == (len(VIEWS), 10 + len(VIEW_FEATURES))

    def test_a_skill_tells_its_insight_what_is_looked_for(self, tmp_path):
        stored(tmp_path)
        chooser = LikelyChooser.load(tmp_path)
        skill = SearchSkill(chooser, REGION, INTRINSICS)
        skill.reset(Task("t", "mug", "Pick up the mug."))
        observation = KinematicWorld().observe()
        mug = skill.state(observation).views
        skill.reset(Task("t", "duck", "Pick up the duck."))
        assert not np.array_equal(mug, skill.state(observation).views)

    def test_the_likely_chooser_weighs_chance_against_time(self, tmp_path):
        stored(tmp_path)
        chooser = LikelyChooser.load(tmp_path)
        state = SearchSkill(chooser, REGION, INTRINSICS).state(KinematicWorld().observe())
        views = np.zeros_like(state.views)
        views[:, -2] = 1.0
        views[4, -3], views[5, -3] = 0.3, 0.5
        views[5, -2] = 2.0  # 3 s longer for 0.2 more: 10 s of rest saved with 0.2 is less
        state = type(state)(state.image, state.proprioception, state.seen_map, views, state.mask)
        assert chooser.choose(state) == 4


def stored(folder):
    view = insight()
    sizes = {"channels": CHANNELS, "compartments": SHAPE[0], "columns": SHAPE[1]}
    save_insight(view.reader, view._belief, sizes, folder, {"seed": 0})
    return view


class TestStorage:
    def test_round_trip(self, tmp_path):
        view = stored(tmp_path)
        reader, belief = load_insight(tmp_path)
        for a, b in zip(
            [*view.reader.parameters(), *view._belief.parameters()],
            [*reader.parameters(), *belief.parameters()],
            strict=True,
        ):
            assert torch.equal(a, b)

    def test_it_is_carried_with_an_actor(self, tmp_path):
        stored(tmp_path / "own")
        carry_insight(str(tmp_path / "own"), tmp_path / "actor")
        load_insight(tmp_path / "actor" / "insight")
        carry_insight("", tmp_path / "other")
        assert not (tmp_path / "other").exists()

    @pytest.mark.parametrize("what", ["missing", "damaged", "labels", "json", "sizes"])
    def test_what_is_not_whole_is_refused(self, tmp_path, what):
        stored(tmp_path)
        described = json.loads((tmp_path / CONFIG).read_text())
        if what == "missing":
            (tmp_path / WEIGHTS).unlink()
        if what == "damaged":
            data = (tmp_path / WEIGHTS).read_bytes()
            (tmp_path / WEIGHTS).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        if what == "json":
            (tmp_path / CONFIG).write_text("{")
        if what in ("labels", "sizes"):
            described |= {"labels": ["none"]} if what == "labels" else {"sizes": {**described["sizes"], "columns": 5}}
            (tmp_path / CONFIG).write_text(json.dumps(described))
        with pytest.raises(CheckpointError) as found:
            load_insight(tmp_path)
        assert "\n" not in str(found.value)


class TestConfig:
    @pytest.mark.parametrize(
        "change", [{"views": 0}, {"usual": 1.5}, {"tasks": ()}, {"layouts": 50_000}, {"held_out": 0.0}]
    )
    def test_bad_values_are_refused(self, change):
        with pytest.raises(UsageError, match="insight"):
            InsightConfig(**change)

    def test_tasks_must_share_a_scene(self, tmp_path):
        with pytest.raises(UsageError, match="share a scene"):
            fit_insight(InsightConfig(tasks=("bookshelf_duck", "shelf_cabinet"), out=str(tmp_path)))

    def test_a_folder_belongs_to_one_run(self, tmp_path):
        _claim(tmp_path, InsightConfig(workers=1))
        _claim(tmp_path, InsightConfig(workers=2))
        with pytest.raises(UsageError, match="other options"):
            _claim(tmp_path, InsightConfig(views=17))
