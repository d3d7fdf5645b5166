"""DCI-ES says what its definition says, and nothing where nothing is known."""

import doctest
import warnings

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LassoCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

from benchmarks.codes import dci as module
from benchmarks.codes import importances
from benchmarks.codes.dci import completeness, dci, disentanglement, explicitness
from benchmarks.codes.readout import nonlinear_r2
from fdd import FddError

SCORES = ("disentanglement", "completeness", "explicitness")


def draw(rows=600, count=3, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, size=(rows, count))


def scored(codes, params, at=300, **options):
    return dci(codes[:at], params[:at], (codes[at:], params[at:]), **options)


def same(one, other, tolerance=1e-9):
    for name in one:
        if one[name] is None or other[name] is None:
            assert one[name] is other[name]
        else:
            np.testing.assert_allclose(one[name], other[name], atol=tolerance)


def test_examples_in_docstrings():
    assert doctest.testmod(module).failed == 0


def test_disentanglement_and_completeness_by_hand():
    half = 1 - (0.75 * np.log2(4 / 3) + 0.25 * 2)  # of shares 3/4 and 1/4
    assert disentanglement([[3, 1], [1, 3]]) == pytest.approx(half, abs=1e-12)
    # rows weigh 4 and 1: the second is perfect
    assert disentanglement([[3, 1], [0, 1]]) == pytest.approx((4 * half + 1) / 5, abs=1e-12)
    # columns weigh 2 and 2; the first is halved among three codes
    table = [[1, 0], [1, 0], [0, 2]]
    assert disentanglement(table) == pytest.approx(1, abs=1e-12)
    assert completeness(table) == pytest.approx((1 - np.log(2) / np.log(3) + 1) / 2, abs=1e-12)


def test_disentanglement_and_completeness_are_those_of_entropies():
    table = np.random.default_rng(0).exponential(size=(7, 4)) ** 3
    per_code, per_param = 1 - entropy(table, axis=1, base=4), 1 - entropy(table, axis=0, base=7)
    by_code, by_param = table.sum(axis=1) / table.sum(), table.sum(axis=0) / table.sum()
    for scale in (1e-250, 1, 1e90):
        assert disentanglement(scale * table) == pytest.approx(per_code @ by_code, abs=1e-12)
        assert completeness(scale * table) == pytest.approx(per_param @ by_param, abs=1e-12)


def test_codes_without_importance_move_disentanglement_not_at_all():
    table = np.random.default_rng(0).exponential(size=(3, 4))
    more = np.concatenate([table, np.zeros((2, 4))])
    assert disentanglement(more) == pytest.approx(disentanglement(table), abs=1e-12)


def test_one_column_or_no_importance_is_no_number():
    assert disentanglement([[1.0], [2.0]]) is None
    assert completeness([[1.0, 2.0]]) is None
    assert disentanglement(np.zeros((2, 2))) is completeness(np.zeros((2, 2))) is None


def test_explicitness_is_one_minus_twice_the_area_above_the_end():
    losses = np.array([0.9, 0.5, 0.6, 0.2])  # least so far: 0.9, 0.5, 0.5, 0.2
    area = np.trapezoid(np.array([0.7, 0.3, 0.3, 0.0])) / 3
    assert explicitness(losses) == pytest.approx(1 - area / (0.5 * 0.8), abs=1e-12)
    assert explicitness(5 * losses, baseline=5) == pytest.approx(explicitness(losses), abs=1e-12)
    assert explicitness([1.0] * 99 + [0.0]) == pytest.approx(-1 + 1 / 99, abs=1e-12)
    assert explicitness([7.0, 0.0]) == explicitness([1.0, 0.0]) == 0


@pytest.mark.parametrize("regressor", importances.REGRESSORS)
def test_codes_that_are_the_parameters_score_one(regressor):
    params = draw()
    found = scored(-3 * params[:, [2, 0, 1]] + 1, params, regressor=regressor)
    for name in SCORES:
        assert found[name] == pytest.approx(1, abs=0.01)
    assert found["informativeness"].min() > 0.9
    assert found["known"].all()
    assert found["size"] == 1
    assert found["importance"].argmax(axis=0).tolist() == [1, 2, 0]
    np.testing.assert_allclose(found["importance"].sum(axis=0), 1)


@pytest.mark.parametrize("degrees", [15, 30, 45])
def test_a_rotated_code_has_the_entropy_of_its_weights_and_is_explicit(degrees):
    params = draw(4000, 2)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    found = scored(params @ [[cos, -sin], [sin, cos]], params, 2000, regressor="lasso")
    want = 1 - entropy([cos, sin], base=2)
    assert found["disentanglement"] == pytest.approx(want, abs=0.01)
    assert found["completeness"] == pytest.approx(want, abs=0.01)
    assert found["explicitness"] == pytest.approx(1, abs=1e-3)


def test_boosting_of_a_rotated_code_is_as_entangled_as_its_errors():
    params = draw(2000, 2)
    found = scored(params @ [[1, 1], [-1, 1]], params, 1000)
    assert found["disentanglement"] < 0.02
    assert found["completeness"] < 0.02


def test_a_code_that_needs_bends_is_less_explicit():
    params = draw(2000, 2)
    found = [scored(np.cbrt(params) ** power, params, 1000)["explicitness"] for power in (3, 1)]
    bent = np.column_stack([np.cos(4 * params), np.sin(4 * params)])
    found.append(scored(bent, params, 1000)["explicitness"])
    assert 1 >= found[0] > 0.999 > found[1] > found[2] > -1


@pytest.mark.parametrize("regressor", importances.REGRESSORS)
def test_noise_has_no_score(regressor):
    found = scored(np.random.default_rng(3).normal(size=(600, 8)), draw(), regressor=regressor)
    assert [found[name] for name in SCORES] == [None] * 3
    assert not found["known"].any()
    assert np.abs(found["informativeness"]).max() < 0.1


def test_a_lasso_of_noise_looks_perfect_and_is_not_believed():
    codes, params = np.random.default_rng(3).normal(size=(600, 8)), draw()
    found = scored(codes, params, regressor="lasso", seed=0)
    assert disentanglement(found["importance"]) > 0.8
    assert found["disentanglement"] is None


def test_only_known_parameters_count():
    params = draw()
    found = scored(params[:, :2] @ [[2, 1], [-1, 2]], params, regressor="lasso")
    assert found["known"].tolist() == [True, True, False]
    table = found["importance"][:, :2]
    assert found["disentanglement"] == disentanglement(table)
    assert found["completeness"] == completeness(table)
    one = scored(params[:, :1] + [[0, 1]] * draw(600, 1, seed=1), params, regressor="lasso")
    assert one["disentanglement"] is None
    assert one["completeness"] == pytest.approx(1, abs=0.05)


def test_a_parameter_is_seldom_known_by_chance_and_can_be_among_many():
    rng = np.random.default_rng(0)
    found = [module.known_columns(*rng.normal(size=(2, 30, 3)), seed=0).any() for _ in range(60)]
    assert np.mean(found) < 0.12
    many = rng.normal(size=(40, 100))
    assert module.known_columns(many, many, seed=0).all()


@pytest.mark.parametrize("in_sample", [False, True])
def test_informativeness_of_boosting_is_nonlinear_r2(in_sample):
    params = draw()
    codes = np.tanh(params @ np.random.default_rng(1).normal(size=(3, 5))) * [1, 1e-9, 3, 1e9, 1]
    test = None if in_sample else (codes[300:], params[300:])
    want = nonlinear_r2(codes[:300], params[:300], test, regressor="boosting", seed=3)
    found = dci(codes[:300], params[:300], test, seed=3)
    np.testing.assert_allclose(found["informativeness"], want, atol=1e-9)


def test_boosting_gives_scikit_learns_permutation_importance():
    params = draw(1500)
    codes = np.tanh(params @ np.random.default_rng(1).normal(size=(3, 4)))
    found = scored(codes, params, 500)["importance"]
    for d in range(3):
        model = HistGradientBoostingRegressor(early_stopping=True, max_iter=300, random_state=0)
        model.fit(codes[:500], params[:500, d])
        want = permutation_importance(model, codes[500:], params[500:, d], n_repeats=3)
        shares = want.importances_mean / want.importances_mean.sum()
        np.testing.assert_allclose(found[:, d], shares, atol=0.04)


def test_lasso_gives_coefficients_of_the_penalty_that_predicts_best():
    params = draw()
    codes = params @ np.random.default_rng(1).normal(size=(3, 4)) + 0.1 * draw(600, 4, seed=2)
    codes = (codes - codes[:300].mean(axis=0)) / codes[:300].std(axis=0)
    found = scored(codes, params, regressor="lasso", seed=5)
    for d in range(3):
        model = LassoCV(cv=KFold(5, shuffle=True, random_state=5), tol=1e-5)
        model.fit(codes[:300], params[:300, d])
        want = np.abs(model.coef_) / np.abs(model.coef_).sum()
        np.testing.assert_allclose(found["importance"][:, d], want, atol=1e-3)
        r2 = r2_score(params[300:, d], model.predict(codes[300:]))
        assert found["informativeness"][d] == pytest.approx(r2, abs=1e-4)


def test_scale_offset_and_order_of_codes_and_parameters_do_not_matter():
    params = draw()
    codes = params @ [[1, 0.2, 0, 1], [0, 1, 0.3, -1], [0.1, 0, 1, 1]] + 0.1 * draw(600, 4, 1)
    want = scored(codes, params, regressor="lasso")
    changed = codes[:, [3, 1, 0, 2]] * [-1e-6, 3, 1e5, -1] + [7, -1e3, 0, 1]
    found = scored(changed, params * [1e-9, -5, 1e9] + [0, 3, -1e9], regressor="lasso")
    want["importance"] = want["importance"][[3, 1, 0, 2]]
    del want["explicitness"], found["explicitness"]  # its features are drawn code by code
    same(found, want, 2e-3)


def test_the_seed_decides():
    params = draw()
    codes = np.tanh(params @ np.random.default_rng(1).normal(size=(3, 5)))
    first, second, third = (scored(codes, params, max_rows=50, seed=s) for s in (1, 1, 2))
    same(first, second, 0)
    assert first["disentanglement"] != third["disentanglement"]


@pytest.mark.parametrize(("rows", "scale"), [(10, 1e-200), (10, 1e90), (40, 1.0)])
def test_few_rows_any_scale_twins_and_more_codes_than_rows_are_finite(rows, scale):
    rng = np.random.default_rng(rows)
    codes, params = rng.normal(size=(rows, rows + 2)) * scale, rng.normal(size=(rows, 2)) * scale
    codes[:, 1] = codes[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for regressor in ("boosting", "lasso"):
            found = dci(codes, params, regressor=regressor)
            numbers = [np.ravel(value) for value in found.values() if value is not None]
            assert np.isfinite(np.concatenate(numbers)).all()


GOOD = np.random.default_rng(0).normal(size=(20, 2))
BAD = [
    ((GOOD, GOOD, (GOOD[:9], GOOD[:9])), {}, "test codes has 9 rows: DCI needs at least 10"),
    (
        (GOOD, GOOD),
        {"regressor": "tree"},
        "regressor='tree' is not known; choose from boosting, lasso",
    ),
    ((GOOD, GOOD), {"max_rows": 1}, "max_rows=1 must be a whole number of at least 2"),
    (
        (GOOD * 1e-200, GOOD, (GOOD * 1e90, GOOD)),
        {},
        "test codes lie too far outside the training codes to be compared",
    ),
    (
        (GOOD, GOOD * 1e-200, (GOOD, GOOD * 1e90)),
        {},
        "test params lie too far outside the training params to be compared",
    ),
]


@pytest.mark.parametrize(("arguments", "options", "message"), BAD)
def test_bad_input_is_named(arguments, options, message):
    with pytest.raises(FddError) as caught:
        dci(*arguments, **options)
    assert str(caught.value) == message


def test_bad_tables_and_curves_are_named():
    with pytest.raises(FddError, match=r"^importance reaches -1: it must not be negative$"):
        disentanglement([[1.0, -1.0]])
    with pytest.raises(FddError, match=r"^losses has shape \(1,\): it must be \[T\] with at "):
        explicitness([1.0])
