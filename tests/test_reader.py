"""The supervised reader: what it learns, that a run repeats and goes on, what it refuses."""

import io
import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel

import fdd
from benchmarks import reader
from benchmarks.oracle.network import (
    CANONICAL,
    CENTRE,
    SPREAD,
    Reader,
    accuracy,
    canonical,
    labels,
    load_reader,
    network,
    upright,
    views,
)
from benchmarks.reader import Options, Training, batches, draw_images, main, train
from benchmarks.statistics.threads import torch_threads
from fdd import FddError

PARAMS = np.array([[0.1, 0.2, -2.0, 1.5, -0.5, 2.5], [0.3, -0.4, -1.0, -3.0, 0.0, 1.0]])
RIGHT = "it must be [N, 32, 32, 3]"


@pytest.fixture
def options(tmp_path):
    """Ten steps on images of 16 x 16 pixels."""
    return Options(
        tmp_path / "run", size=16, points=300, images=100, test_images=20, every=40, batch_size=10,
        width=4, threads=1,
    )  # fmt: skip


@pytest.fixture
def untrained():
    """A reader of 32 x 32 pixels that knows nothing."""
    torch.manual_seed(0)
    return Reader(network(32, 4).eval(), {"size": 32})


def content(folder):
    """What two equal runs share: the weights as bytes, and the result without the times."""
    result = json.loads((folder / "result.json").read_text())
    del result["seconds"]
    for point in result["curve"]:
        del point["seconds"]
    return (folder / "reader.safetensors").read_bytes(), result


def test_training_takes_the_threads_that_it_is_given_and_gives_them_back(options):
    with torch_threads(3):
        assert train(replace(options, threads=2, images=10, every=10))["threads"] == 2
        assert torch.get_num_threads() == 3


def test_the_network_learns_sizes_and_the_sign_of_the_product():
    units = labels(PARAMS)
    assert units.dtype == np.float32
    sizes = units[:, :4] * SPREAD + CENTRE
    assert sizes == pytest.approx(np.array([[2, 1.5, -0.5, 2.5], [1, 3, 0, 1]]), abs=1e-6)
    assert units[:, 4].tolist() == [0, 1]


def test_b_is_read_as_its_size_times_its_expected_sign():
    found = np.array([[2.0, 1.5, -0.5, 2.5, 0.0], [1.0, 3.0, 0.0, 1.0, 0.75]])
    assert canonical(found).tolist() == [[2.0, -1.5, -0.5, 2.5], [1.0, 1.5, 0.0, 1.0]]


def test_scores_of_the_truth_of_the_mean_and_of_half_the_way():
    params = fdd.uniform_params(50, seed=1)
    a, b, c, d = params[:, 2:].T
    truth = np.stack([abs(a), abs(b), c, d, a * b > 0], axis=1)
    assert set(accuracy(truth, params).values()) == {1.0}
    mean = np.tile(truth.mean(axis=0), (50, 1))
    of_mean = accuracy(mean, params)
    assert [of_mean[name] for name in ("a'", "c", "d", "|b|")] == pytest.approx([0] * 4, abs=1e-12)
    half = (truth + mean) / 2
    assert accuracy(half, params)["c"] == pytest.approx(0.75)
    wrong = truth * [1, 1, 1, 1, -1] + [0, 0, 0, 0, 1]
    assert accuracy(wrong, params)["sign of ab"] == 0
    assert accuracy(wrong, params)["b'"] < -1


@pytest.mark.parametrize("view", list(views()))
def test_each_view_is_an_image_of_the_parameters_that_the_symmetries_tell(view):
    down, across, transposed = view
    params = draw_images(Options("", size=32, points=3000).card(), "val", 0, 30)[1]
    x0, y0, a, b, c, d = params.T
    if down:
        y0, a, b, c, d = -y0, -a, -b, -c, -d
    if across:  # turned upside down, and by 180 degrees
        x0, a, b, c, d = -x0, -a, -b, -c, -d
    if transposed:  # at the other diagonal: mirrored at y = x, and turned by 180 degrees
        x0, y0, a, b, c, d = -y0, -x0, b, a, d, c
    seen = fdd.render(np.stack([x0, y0, a, b, c, d], axis=1), "counts", size=32, points=3000)
    image = fdd.render(params, "counts", size=32, points=3000)
    image = image[:, :: -1 if down else 1, :: -1 if across else 1]
    image = image.swapaxes(1, 2) if transposed else image
    differing = np.abs(seen.astype(int) - image).sum(axis=(1, 2))
    assert (differing <= 20).all()  # points on the edge of the box, of 3000
    viewed = labels(np.stack([x0, y0, a, b, c, d], axis=1)).astype(float)
    assert upright(viewed, *view).tolist() == labels(params).astype(float).tolist()


def test_a_reading_turns_with_the_image(untrained):
    images = fdd.render(fdd.sample_params(5, "val"), size=32, points=3000)
    read = untrained.read(images)
    assert read.std(axis=0).min() > 0
    for view in views():
        down, across, transposed = view
        seen = images[:, :: -1 if down else 1, :: -1 if across else 1]
        seen = seen.swapaxes(1, 2) if transposed else seen
        assert upright(untrained.read(seen), *view) == pytest.approx(read, abs=1e-5)
    assert untrained(images) == pytest.approx(canonical(read))
    one_view = untrained.read(images, all_views=False)
    assert not np.allclose(one_view, read, atol=1e-4)


@pytest.mark.parametrize("size", reader.SIZES)
def test_a_network_for_each_size(size):
    assert network(size, 8).eval()(torch.zeros(2, 3, size, size)).shape == (2, 5)


def test_batches_are_the_stream_of_the_split_and_go_on_anywhere(options):
    data = batches(options, 0)
    drawn = [next(data) for _ in range(12)]
    images, params = draw_images(options.card(), "train", 0, 120)
    assert np.concatenate([part[0] for part in drawn]).tobytes() == images.tobytes()
    assert np.concatenate([part[1] for part in drawn]).tobytes() == labels(params).tobytes()
    for step in (3, 8, 11):
        there = next(batches(options, step))
        assert [part.tobytes() for part in there] == [part.tobytes() for part in drawn[step]]
    other = next(batches(replace(options, seed=1), 0))
    far = draw_images(options.card(), "train", 10**9, 10)
    assert other[0].tobytes() == far[0].tobytes() != drawn[0][0].tobytes()


def test_images_are_those_of_the_renderer_and_kept_by_the_rule(options):
    card = replace(options, occupied_percent=40).card()
    images, params = draw_images(card, "test", 3, 20)
    assert images.tobytes() == fdd.render(params, size=16, points=300).tobytes()
    counts = fdd.render(params, "counts", size=16, points=300)
    assert (np.count_nonzero(counts, axis=(1, 2)) >= 0.4 * 256).all()


def test_training_learns_what_images_show(options):
    def plain(rows, seed):
        params = fdd.uniform_params(rows, seed=seed)
        a, b, c, d = params[:, 2:].T
        shown = np.stack([abs(a) / 3, abs(b) / 3, (c + 3) / 6, (d + 3) / 6, a * b > 0], axis=1)
        images = np.zeros((rows, 16, 16, 3))
        images[:, 1:11, :, 0] = np.repeat(shown, 2, axis=1)[:, :, None]
        return (255 * images).astype(np.uint8), params

    with torch_threads(1):
        learned = replace(options, width=8, images=8000, batch_size=40, learning_rate=5e-3)
        training = Training(learned, torch.device("cpu"))
        for step in range(training.steps):
            images, params = plain(40, step)
            training.learn(images, labels(params))
        images, params = plain(100, 10**6)
        found = accuracy(training.reader().read(images, all_views=False), params)
    assert min(found[name] for name in CANONICAL) > 0.2
    assert found["sign of ab"] > 0.95


def test_a_run_repeats_to_the_byte_and_its_seed_decides_it(options, tmp_path):
    train(options)
    train(replace(options, out=tmp_path / "again"))
    train(replace(options, out=tmp_path / "other", seed=1))
    assert content(options.out) == content(tmp_path / "again")
    assert content(options.out)[0] != content(tmp_path / "other")[0]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_interrupted_run_goes_on_exactly(options, tmp_path, monkeypatch, precision):
    options = replace(options, precision=precision)
    made, update = [], AveragedModel.update_parameters

    def interrupted(average, net):
        made.append(update(average, net))
        if len(made) == 5:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:  # at the end of a step
        patch.setattr(AveragedModel, "update_parameters", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(options)
    stopped = content(options.out)[1]
    assert (stopped["images"], len(stopped["curve"])) == (50, 1)
    assert "test" not in stopped
    resumed = train(options)
    whole = train(replace(options, out=tmp_path / "whole"))
    assert content(options.out) == content(tmp_path / "whole")
    assert [point["images"] for point in resumed["curve"]] == [40, 80, 100]
    assert whole["steps"] == 10


def test_the_saved_reader_gives_the_scores_of_the_result(options):
    result = train(options)
    images, params = draw_images(options.card(), "test", 0, 20)
    for path in (options.out, options.out / "reader.safetensors"):
        read = load_reader(path)
        assert accuracy(read.read(images), params) == result["test"]
        once = read.read(images, all_views=False)
        assert accuracy(once, params).items() <= result["curve"][-1].items()
        assert read(images).shape == (20, 4)
        assert read(images).dtype == np.float64
    assert read.config == result["config"]
    assert (read.config["size"], read.config["points"]) == (16, 300)
    assert read.config["occupied_percent"] == 15
    assert sorted(path.name for path in options.out.iterdir()) == [
        "reader.safetensors", "result.json", "state.pt",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 16, 16, 3), np.uint8), f"images has shape [2, 16, 16, 3]; {RIGHT}"),
        (np.zeros((32, 32, 3), np.uint8), f"images has shape [32, 32, 3]; {RIGHT}"),
        (np.zeros((2, 32, 32, 3)), "images must be a uint8 array, not float64"),
        ([[1]], "images must be a uint8 array, not list"),
    ],
)
def test_images_that_no_reader_reads(untrained, images, message):
    with pytest.raises(FddError) as error:
        untrained(images)
    assert str(error.value) == message


def test_no_images_give_no_rows(untrained):
    assert untrained(np.zeros((0, 32, 32, 3), np.uint8)).shape == (0, 4)


def test_a_reader_that_is_missing_or_damaged(tmp_path):
    file = tmp_path / "reader.safetensors"
    with pytest.raises(FddError) as error:
        load_reader(tmp_path)
    assert str(error.value) == f"reader '{file}': there is no such file"
    file.write_bytes(b"damaged")
    with pytest.raises(FddError, match=r"reader '.*': it cannot be read: "):
        load_reader(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 48}, "size=48 must be one of 16, 32, 64, 128, 256"),
        ({"points": 1}, "points=1 must be a whole number from 2 to 65535"),
        ({"occupied_percent": 91}, "occupied_percent=91 must be a whole number from 0 to 90"),
        ({"images": 0}, "images=0 must be a whole number from 1 to 1000000000"),
        ({"batch_size": 1}, "batch_size=1 must be a whole number from 2 to 10000"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be a number between 0 and 1"),
        ({"precision": "half"}, "precision='half' is not known; choose from float32, bfloat16"),
        ({"version": "fdd-0"}, "version='fdd-0' is not known (did you mean fdd-1?); choose from "),
        ({"threads": 0}, "threads=0 must be a whole number of at least 1"),
    ],
)
def test_options_out_of_their_range_are_refused_before_anything_is_written(
    options, change, message
):
    with pytest.raises(FddError) as error:
        train(replace(options, **change))
    assert str(error.value).startswith(message)
    assert not options.out.exists()


def test_a_folder_with_another_run_or_a_damaged_state_is_refused(options):
    train(options)
    with pytest.raises(FddError) as error:
        train(replace(options, seed=1))
    assert str(error.value) == (
        f"folder '{options.out}': it holds a run with seed=0, not 1; choose another folder "
        "with --out"
    )
    path = options.out / "state.pt"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (b"damaged", b"", whole[:-100], flipped):
        path.write_bytes(damaged)
        with pytest.raises(FddError, match=r"^folder '.*': state.pt cannot be read: [^\n]+$"):
            train(options)
    state = torch.load(io.BytesIO(whole), weights_only=True)
    moments = {0: state["adam"]["state"][1]}
    for other in (
        {"step": 11},
        {"step": "x"},
        {"net": {}},
        {"adam": {"state": moments}},
        {"adam": []},
        {"seconds": 10**400},
        {"curve": [[1]]},
        {"curve": [{"a": "b"}]},
    ):
        torch.save(state | other, path)
        with pytest.raises(FddError, match=r"^folder '.*': state.pt does not fit its options: .+$"):
            train(options)


def test_the_command(tmp_path, capsys):
    small = "--size 16 --points 300 --images 40 --batch-size 10 --test-images 10 --width 4"
    assert main([*small.split(), "--out", str(tmp_path / "run")]) == 0
    output, errors = capsys.readouterr()
    names = [line.split("  ")[0] for line in output.splitlines()]
    assert names[:-1] == ["a'", "b'", "c", "d", "|b|", "sign of ab"]
    assert output.endswith(f"reader.safetensors, result.json: {tmp_path / 'run'}\n")
    assert "40/40" in errors


def test_a_mistake_is_one_line_of_stderr(tmp_path, capsys):
    assert main(["--out", str(tmp_path), "--size", "31"]) == 2
    assert capsys.readouterr() == ("", "error: size=31 must be one of 16, 32, 64, 128, 256\n")
