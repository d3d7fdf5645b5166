"""How the small release is chosen: occupancy, the threshold, the table and the figure of curves."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

import fdd
from benchmarks.mini import best_percent, distribution, main, occupied
from benchmarks.reader import Options, train


def test_occupied_cells_are_those_of_the_counts_and_none_for_the_degenerate():
    params = fdd.sample_params(40, "val")
    params[7] = 0
    cells = occupied(params, 16, 500)
    assert cells[7] == 0
    counts = fdd.render(np.delete(params, 7, axis=0), "counts", size=16, points=500)
    assert np.delete(cells, 7).tolist() == np.count_nonzero(counts, axis=(1, 2)).tolist()


def test_the_percentage_with_the_largest_agreement():
    cells = np.array([10, 20, 30, 40, 50])
    assert best_percent(cells, 10, np.array([False, False, True, True, True])) == 21
    cells = np.array([10, 20, 30, 40, 40, 50])
    # 11 to 20 keep five and 41 to 50 one, 31 to 40 three: each errs twice, the last keeps as many
    assert best_percent(cells, 10, np.array([False, True, False, False, True, True])) == 31


def test_the_distribution_of_uniform_parameters_is_flat():
    found = distribution(fdd.uniform_params(20_000))
    assert np.abs(np.array(list(found["density"].values())) - 1).max() < 0.06
    assert list(found["density"]) == ["a", "b", "c", "d"]
    assert found["largest_correlation"] < 0.03


def test_correlation_and_density_see_what_is_not_uniform():
    params = fdd.uniform_params(2000)
    params[:, 3] = np.abs(params[:, 2]) / 2
    found = distribution(params)
    assert found["density"]["b"][3:] == [0, 0, 0]
    params[:, 3] = -params[:, 2]
    assert distribution(params)["largest_correlation"] == 1


def test_the_acceptance_command(tmp_path, capsys):
    out = tmp_path / "acceptance.json"
    assert main(["acceptance", "--candidates", "300", "--points", "500", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    base, small = json.loads(out.read_text())["rules"]
    assert (base["size"], base["points"], base["occupied_percent"]) == (128, 60000, 15)
    assert 0.4 < base["kept"] < 0.6
    assert small["agreement"] > 0.9
    off = small["kept_by_fdd_1_only"] + small["kept_here_only"]
    assert small["agreement"] + off == pytest.approx(1)
    assert small["agreement_near"][str(small["occupied_percent"])] == small["agreement"]
    assert small["kept"] - small["kept_here_only"] == pytest.approx(
        base["kept"] - small["kept_by_fdd_1_only"]
    )


def test_the_figure_of_the_curves_is_a_png(tmp_path, capsys):
    table = str(tmp_path / "x.csv")
    assert main(["curves", "--runs", str(tmp_path), "--csv", table, "--png", "y.jpg"]) == 2
    message = "error: png='y.jpg' must end in .png, as a PNG is what is written\n"
    assert capsys.readouterr().err == message
    assert list(tmp_path.iterdir()) == []


def test_the_curves_command(tmp_path, capsys):
    results = []
    for seed in (0, 1):
        run = Options(
            tmp_path / str(seed), size=16, points=300, images=60, test_images=20, every=30,
            batch_size=10, width=4, seed=seed, threads=1,
        )  # fmt: skip
        results.append(train(run))
    table, figure = tmp_path / "curves.csv", tmp_path / "curves.png"
    runs = [str(tmp_path / seed) for seed in "01"]
    assert main(["curves", "--runs", *runs, "--csv", str(table), "--png", str(figure)]) == 0
    assert capsys.readouterr().out == f"{table}\n{figure}\n"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["seed"], r["views"], r["images"]) for r in rows] == [
        (seed, views, images)
        for seed in "01"
        for views, images in (("1", "30"), ("1", "60"), ("8", "60"))
    ]
    assert float(rows[5]["a'"]) == round(results[1]["test"]["a'"], 4)
    assert float(rows[0]["d"]) == round(results[0]["curve"][0]["d"], 4)
    with Image.open(figure) as picture:
        assert np.asarray(picture.convert("L")).std() > 5


def test_a_folder_that_holds_no_run(tmp_path, capsys):
    assert (
        main(["curves", "--runs", str(tmp_path), "--csv", str(tmp_path / "x"), "--png", "y.png"])
        == 2
    )
    error = capsys.readouterr().err
    assert error.startswith(f"error: run folder '{tmp_path}': result.json cannot be read: ")
    assert not list(tmp_path.iterdir())


def test_too_few_candidates(tmp_path, capsys):
    assert main(["acceptance", "--candidates", "9", "--out", str(tmp_path / "x.json")]) == 2
    assert capsys.readouterr().err == "error: candidates=9 must be a whole number of at least 100\n"
