"""The audit knows the answer where the answer is known: hidden target, noise, and functions of the agent state."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from robots.errors import UsageError
from search_policy.audit.decisions import AuditedDecisions, discounted_returns, load_decisions
from search_policy.audit.informativeness import dependence, gain
from search_policy.audit.regression import cross_fit, episode_folds, fit, kernel, standardised
from search_policy.audit.report import AuditSettings, audit
from search_policy.learning.reward import RewardConfig

SETTINGS = AuditSettings(draws=500)


def world(seed, episodes=80, length=3):
    """Search in small: the return falls with the target's hidden place, and with what the agent sees."""
    rng = np.random.default_rng(seed)
    episode = np.repeat(np.arange(episodes), length)
    seen = rng.normal(size=(len(episode), 4)) + rng.normal(size=(episodes, 4))[episode]
    target = rng.uniform(-1.0, 1.0, (episodes, 2))[episode]
    luck = 0.3 * rng.normal(size=len(episode)) + 0.3 * rng.normal(size=episodes)[episode]
    signals = {
        "target_position": target,
        "noise": rng.normal(size=(len(episode), 2)),
        "copy": seen[:, :2],
        "function": np.stack([np.tanh(seen[:, 0]), seen[:, 1] + seen[:, 2]], axis=1),
        "constant": np.ones((len(episode), 1)),
    }
    returns = 0.8 * seen[:, 0] + np.sin(seen[:, 1]) - 3.0 * np.abs(target[:, 0]) + luck
    return AuditedDecisions({"seen": seen}, signals, returns, episode)


@pytest.fixture(scope="module")
def findings():
    return [{item.signal: item for item in audit(world(seed), SETTINGS)} for seed in (0, 1)]


def test_a_hidden_target_helps(findings):
    for found in findings:
        assert found["target_position"].verdict == "helps"
        assert found["target_position"].gain.interval[0] > 0.1
        assert found["target_position"].gain.rank > 0.0
        assert found["target_position"].known < 0.2


@pytest.mark.parametrize("name", ["noise", "copy", "function", "constant"])
def test_what_says_nothing_new_does_not_help(findings, name):
    for found in findings:
        assert found[name].verdict == "does not help"
        assert found[name].gain.share < 0.05


def test_a_copy_of_what_the_agent_sees_is_known(findings):
    assert all(found["copy"].known > 0.97 for found in findings)
    assert all("already" in found["copy"].reason for found in findings)


def test_an_audit_is_repeatable(findings):
    again = {item.signal: item for item in audit(world(0), SETTINGS)}
    assert again == findings[0]


def test_false_alarms_are_as_rare_as_promised():
    """Under the null, with noise whose spread follows the state, p of the dependence test is uniform."""
    found = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        episode = np.repeat(np.arange(40), 2)
        z = rng.normal(size=(80, 1))
        signal = np.sin(z) + np.exp(0.4 * z) * rng.normal(size=(80, 1))
        returns = z + np.exp(0.4 * z) * (rng.normal(size=(80, 1)) + rng.normal(size=(40, 1))[episode])
        fold = episode_folds(episode, 4, rng)
        expected, told = cross_fit(kernel([z]), [returns, signal], episode, fold)
        found.append(dependence(signal - told, (returns - expected)[:, 0], episode, 199, rng).p)
    assert kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) < 0.05) < 0.11


def test_a_value_that_is_no_better_shows_no_gain_too_often():
    """Two values with errors of the same size: one-sided p below 0.05 in about one of twenty."""
    found = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        returns, first, second = rng.normal(size=(3, 60))
        found.append(gain(returns, 0.3 * first, 0.3 * second, np.repeat(np.arange(30), 2), 199, rng).p)
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.09


def test_gain_is_the_share_of_the_squared_error():
    rng = np.random.default_rng(0)
    returns = rng.normal(size=200)
    found = gain(returns, np.zeros(200), 0.5 * returns, np.arange(200), 200, rng)
    assert found.share == pytest.approx(0.75)
    assert found.interval == pytest.approx((0.75, 0.75))


def test_leaving_an_episode_out_in_closed_form_equals_leaving_it_out():
    rng = np.random.default_rng(1)
    episode = np.repeat(np.arange(8), 3)
    inputs, target = rng.normal(size=(24, 2)), rng.normal(size=(24, 1))
    gram = kernel([inputs])
    one = fit(gram, [target], episode)[0]
    weights = np.linalg.lstsq(gram, target - target.mean(0) - gram @ one.weights, rcond=None)[0]
    penalty = float(np.median((weights / one.weights)[np.abs(one.weights) > 1e-6]))
    assert np.isfinite(penalty)
    residual = target - target.mean(0) - gram @ one.weights
    chosen = float(np.mean(residual / one.weights))
    for number in range(8):
        out, kept = episode == number, episode != number
        centred = target - target.mean(0)
        solved = np.linalg.solve(gram[np.ix_(kept, kept)] + chosen * np.eye(21), centred[kept])
        np.testing.assert_allclose(one.left_over[out], centred[out] - gram[np.ix_(out, kept)] @ solved, atol=1e-8)


def test_no_prediction_uses_its_own_episode():
    rng = np.random.default_rng(2)
    episode = np.repeat(np.arange(10), 2)
    gram, target = kernel([rng.normal(size=(20, 2))]), rng.normal(size=(20, 1))
    fold = episode_folds(episode, 5, np.random.default_rng(0))
    before = cross_fit(gram, [target], episode, fold)[0]
    changed = target.copy()
    changed[episode == 4] += 100.0
    after = cross_fit(gram, [changed], episode, fold)[0]
    same = fold == fold[episode == 4][0]
    np.testing.assert_array_equal(before[same], after[same])
    assert not np.allclose(before[~same], after[~same])


@given(st.integers(2, 30), st.integers(2, 6), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_folds_never_split_an_episode(episodes, folds, seed):
    episode = np.repeat(np.arange(episodes), 3)
    fold = episode_folds(episode, folds, np.random.default_rng(seed))
    assert all(len(set(fold[episode == number])) == 1 for number in range(episodes))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8), st.floats(0.5, 1.0))
@settings(max_examples=30, deadline=None)
def test_returns_are_discounted_sums(rewards, discount):
    reward, steps = np.array(rewards * 2), np.full(2 * len(rewards), 2.0)
    episode = np.repeat([0, 1], len(rewards))
    found = discounted_returns(reward, steps, episode, discount)
    expected = sum(r * discount ** (2 * i) for i, r in enumerate(rewards))
    assert found[0] == pytest.approx(expected, abs=1e-6)
    assert found[len(rewards)] == pytest.approx(expected, abs=1e-6)


def test_thinning_keeps_every_episode():
    decisions = world(0)
    kept = decisions.thinned(100, np.random.default_rng(0))
    assert kept.episodes == decisions.episodes
    assert len(kept.returns) == 80
    assert len(kept.state["seen"]) == 80


def test_constant_columns_say_nothing():
    assert standardised(np.full((5, 2), 3.3)).shape == (5, 0)
    assert not kernel([np.ones((4, 1))]).any()


def write_lerobot(root, columns, episodes=24, length=6, fps=10):
    """Write the files of a LeRobotDataset of another maker: one row per control step."""
    n = episodes * length
    numbered = {
        "timestamp": pa.array(np.tile(np.arange(length) / fps, episodes).astype(np.float32)),
        "frame_index": pa.array(np.tile(np.arange(length), episodes)),
        "episode_index": pa.array(np.repeat(np.arange(episodes), length)),
        "index": pa.array(np.arange(n)),
    }
    features, arrays = {}, {}
    for name, values in columns.items():
        features[name] = {"dtype": str(values.dtype), "shape": list(values.shape[1:]) or [1], "names": None}
        arrays[name] = pa.array(values.tolist(), type=pa.list_(pa.float32()) if values.ndim > 1 else None)
        if values.ndim == 1:
            arrays[name] = pa.array(values)
    for name, array in numbered.items():
        features[name] = {"dtype": "float32" if name == "timestamp" else "int64", "shape": [1], "names": None}
        arrays[name] = array
    (root / "meta").mkdir(parents=True)
    (root / "data/chunk-000").mkdir(parents=True)
    info = {"codebase_version": "v3.0", "fps": fps, "features": features, "total_episodes": episodes}
    (root / "meta/info.json").write_text(json.dumps(info))
    pq.write_table(pa.table(arrays), root / "data/chunk-000/file-000.parquet")


def columns(**changes):
    rng = np.random.default_rng(0)
    target = np.repeat(rng.uniform(-1, 1, (24, 1)), 6, axis=0).astype(np.float32)
    state = rng.normal(size=(144, 2)).astype(np.float32)
    reward = (state[:, 0] + 5.0 * target[:, 0]).astype(np.float32)
    return {"observation.state": state, "privileged.place": target[:, 0], "next.reward": reward} | changes


def test_any_lerobot_dataset_can_be_audited(tmp_path, capsys):
    from handoff.cli import main

    write_lerobot(tmp_path / "data", columns())
    assert main(["audit", "--data", str(tmp_path / "data"), "--draws", "300", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["episodes"] == 24
    assert [item["signal"] for item in printed["signals"]] == ["place"]
    assert printed["signals"][0]["verdict"] == "helps"
    assert main(["audit", "--data", str(tmp_path / "data"), "--draws", "300"]) == 0
    assert "place: helps" in capsys.readouterr().out


def without(name):
    return {key: value for key, value in columns().items() if key != name}


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (without("privileged.place"), "no numeric column named privileged"),
        (without("next.reward"), "neither 'next.reward' nor 'next.success'"),
        (without("observation.state"), "no agent state"),
        (columns(**{"privileged.place": np.full(144, np.nan, np.float32)}), "'privileged.place' holds a value"),
        (columns(**{"observation.target_position": np.zeros(144, np.float32)}), "named as an observation"),
    ],
)
def test_a_data_set_that_cannot_be_audited_is_refused(tmp_path, held, words):
    write_lerobot(tmp_path / "data", held)
    with pytest.raises(UsageError, match=words):
        load_decisions(tmp_path / "data", (), 0.99)


def test_usage_mistakes_are_one_sentence(tmp_path):
    write_lerobot(tmp_path / "data", columns())
    with pytest.raises(UsageError, match="Did you mean 'place'"):
        load_decisions(tmp_path / "data", ("plase",), 0.99)
    with pytest.raises(UsageError, match="holds neither"):
        load_decisions(tmp_path, (), 0.99)
    write_lerobot(tmp_path / "few", {key: value[:48] for key, value in columns().items()}, episodes=8)
    with pytest.raises(UsageError, match="8 episodes; an audit needs at least 20"):
        load_decisions(tmp_path / "few", (), 0.99)
    with pytest.raises(UsageError, match="folds"):
        AuditSettings(folds=1)
    same = AuditedDecisions({"z": np.ones((40, 1))}, {"s": np.ones((40, 1))}, np.ones(40), np.arange(40))
    with pytest.raises(UsageError, match="every return is the same"):
        audit(same, SETTINGS)


def search_columns():
    success, gain = np.zeros(144, bool), np.full(144, 0.25, np.float32)
    steps = np.full(144, 2)
    success[4::6] = True
    steps[5::6], gain[5::6] = 0, 0.0
    found = {"next.success": success, "decision.steps": steps, "decision.coverage_gain": gain}
    return without("next.reward") | found


def test_the_reward_of_recorded_searches_has_trainings_weights(tmp_path, capsys):
    from handoff.cli import main

    root = tmp_path / "data"
    write_lerobot(root, search_columns())
    weights = RewardConfig(success=2.0, step=0.01, coverage=0.4)
    returns = load_decisions(root, (), 1.0, weights).returns.reshape(24, 5)
    np.testing.assert_allclose(returns, np.tile(2.0 + 0.08 * np.arange(5, 0, -1), (24, 1)), rtol=1e-6)
    default = load_decisions(root, (), 1.0).returns
    np.testing.assert_array_equal(default, load_decisions(root, (), 1.0, RewardConfig()).returns)
    assert main(["audit", "--data", str(root), "--draws", "100", "--reward.coverage", "0.4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["options"]["reward"]["coverage"] == 0.4


def test_weights_of_a_reward_that_is_not_computed_are_refused(tmp_path):
    write_lerobot(tmp_path / "data", columns())
    with pytest.raises(UsageError, match=r"weights have no effect, for the return comes from 'next.reward'"):
        load_decisions(tmp_path / "data", (), 0.99, RewardConfig(coverage=1.0))
