"""Paths in a latent space, and the GIF and the strip that a trained run draws along them."""

import dataclasses
import os
import re

import numpy as np
import pytest
from PIL import Image
from tiny_runs import OPTIONS, Images, render

import baselines
import fdd
from baselines import dcgan, lsd
from baselines.aae import AAE
from baselines.interpolate import (
    GAP,
    LINE,
    MARGIN,
    Frames,
    Options,
    animation,
    between_params,
    fractal_dream,
    linear,
    main,
    path,
    spherical,
    strip,
    write,
)
from baselines.pretrained.models import SHIPPED
from baselines.training.loop import train
from fdd.files import alone_in_part
from fdd.pictures import resize, save_png
from fdd.releases.cards import release

rng = np.random.default_rng(0)
SHARED = {
    field.name: getattr(OPTIONS, field.name)
    for field in dataclasses.fields(dcgan.Config)
    if field.name != "seed"
}
IMAGES = ["--between", "images"]


def unit(n, length=6):
    vectors = rng.normal(size=(n, length))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("leg", [linear, spherical])
def test_both_ends_of_a_leg_are_exact(leg):
    for a, b in rng.normal(size=(50, 2, 6)):
        points = leg(a, b, np.array([0.0, 0.3, 1.0]))
        assert points.shape == (3, 6)
        assert (points[0] == a).all()
        assert (points[2] == b).all()


def test_a_straight_line_has_equal_steps():
    a, b = rng.normal(size=(2, 6))
    np.testing.assert_allclose(np.diff(linear(a, b, np.arange(9) / 8), axis=0), [(b - a) / 8] * 8)


def test_an_arc_keeps_the_norm_and_turns_by_equal_angles():
    for a, b in zip(unit(50), unit(50), strict=True):
        points = spherical(a, b, np.arange(9) / 8)
        np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-12)
        angles = np.arccos((points[1:] * points[:-1]).sum(axis=1))
        np.testing.assert_allclose(angles, np.arccos(a @ b) / 8, rtol=1e-9)


def test_an_arc_by_hand():
    middle = spherical(np.array([2.0, 0.0]), np.array([0.0, 2.0]), np.array([1 / 3]))
    np.testing.assert_allclose(middle, [[3**0.5, 1.0]])


@pytest.mark.parametrize("factor", [1.0, 2.5, -1.0, 0.0, 1 + 1e-13])
def test_parallel_codes_are_joined_by_a_line(factor):
    a, shares = unit(1)[0], np.arange(5) / 4
    assert (spherical(a, factor * a, shares) == linear(a, factor * a, shares)).all()
    assert (spherical(factor * a, a, shares) == linear(factor * a, a, shares)).all()


@pytest.mark.parametrize("how", ["linear", "spherical"])
@pytest.mark.parametrize(("stations", "frames"), [(2, 1), (2, 5), (3, 4), (5, 1)])
def test_a_path_passes_its_stations_and_closes(how, stations, frames):
    codes = rng.normal(size=(stations, 6)).astype(np.float32)
    opened, closed = path(codes, frames, False, how), path(codes, frames, True, how)
    assert opened.shape == ((stations - 1) * frames + 1, 6)
    assert closed.shape == (stations * frames, 6)
    assert opened.dtype == closed.dtype == np.float64
    assert (opened[::frames] == codes).all()
    assert (closed[::frames] == codes).all()
    around = path([*codes, codes[0]], frames, False, how)
    assert (closed == around[:-1]).all()
    assert (around[-1] == closed[0]).all()
    assert np.diff(around, axis=0).any(axis=1).all()


def test_the_true_images_are_those_of_render_and_the_degenerate_stay_white():
    card = dataclasses.replace(release("mini-1"), points=500)
    params = fdd.sample_params(40, "test", version="mini-1")
    params[[3, 17]] = 0
    images, imaged = fractal_dream(params, card)
    assert np.flatnonzero(~imaged).tolist() == [3, 17]
    assert (images[~imaged] == 255).all()
    assert (images[imaged] == fdd.render(params[imaged], size=32, points=500)).all()


def colours(n, size=16):
    """Images of one colour each, all different and none white."""
    levels = np.arange(n, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(levels, (n, size, size, 3)).copy()


@pytest.mark.parametrize(("per_leg", "kept"), [(3, [0, 1, 2, 3, 4, 5]), (12, range(0, 24, 2))])
def test_the_strip_shows_stations_and_at_most_six_pictures_a_leg(per_leg, kept):
    made = colours(2 * per_leg, 32)
    sheet = strip(Frames(made, ["a", "b"], made + 100, np.ones(len(made), bool)), per_leg)
    left, side = MARGIN + GAP, 96 + GAP
    assert sheet.shape == (LINE + GAP + 2 * side, MARGIN + GAP + len(kept) * side, 3)
    for column, frame in enumerate(kept):
        for row, level in enumerate([frame, frame + 100]):
            top, x = LINE + GAP + row * side, left + column * side
            assert (sheet[top : top + 96, x : x + 96] == level).all()
    names = (sheet[:LINE] < 255).any(axis=(0, 2))
    other = left + (len(kept) // 2) * side
    assert names[left : left + 10].any()
    assert names[other : other + 10].any()
    assert not names[left + 20 : other].any()


def test_an_animation_has_the_model_left_and_the_truth_right():
    made = colours(4)
    pairs = animation(Frames(made, ["a", "b"], made + 100, np.ones(4, bool)))
    alone = animation(Frames(made, ["a", "b"]))
    assert pairs[0].shape == (LINE + 96 + 2 * GAP, 2 * 96 + 3 * GAP, 3)
    assert alone[0].shape == (LINE + 96 + 2 * GAP, 96 + 2 * GAP, 3)
    for number in range(4):
        left, right = pairs[number][LINE + GAP : -GAP, GAP:-GAP].astype(int)[:, [0, -1], 0].T
        assert (left == number).all()
        assert (right == number + 100).all()
        assert (alone[number][LINE + GAP : -GAP, GAP:-GAP] == number).all()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of eight steps by name: dcgan, aae and lsd, and pictures, of a folder."""
    folder, images = tmp_path_factory.mktemp("runs"), render(40)
    labelled = Labelled(images, fdd.sample_params(40))
    for number, image in enumerate(resize(images, 16)):
        (folder / "photos").mkdir(exist_ok=True)
        save_png(image, folder / "photos" / f"{number:02d}.png")
    configs = {
        "aae": (AAE, OPTIONS),
        "dcgan": (dcgan.DCGAN, dcgan.Config(**SHARED)),
        "lsd": (lsd.LSD, lsd.Config(**SHARED)),
        "pictures": (AAE, dataclasses.replace(OPTIONS, data=f"images:{folder / 'photos'}")),
    }
    for name, (make, config) in configs.items():
        data = {} if name == "pictures" else {"data": labelled, "held_out": labelled}
        train(make, config, folder / name, **data)
    return folder


class Labelled(Images):
    """Images in memory with their raw parameters."""

    def __init__(self, images, params):
        import pandas as pd

        super().__init__(images)
        self.params = pd.DataFrame(params)


@pytest.fixture
def command(runs, tmp_path, monkeypatch, capsys):
    """command(*options) draws in an empty folder: (exit status, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def go(name, *options):
        try:
            status = main([str(runs / name), *map(str, options)])
        except SystemExit as exit:
            status = exit.code
        return status, *capsys.readouterr()

    return go


def gif(file):
    """The frames of a GIF, RGB, and how it loops."""
    with Image.open(file) as picture:
        frames = []
        for number in range(picture.n_frames):
            picture.seek(number)
            frames.append(np.array(picture.convert("RGB")))
        return np.stack(frames), picture.info["loop"]


def shown(sheet, row, column, size=16):
    """A picture in a strip, of pixels that were drawn so large that a side has 96."""
    top, left = LINE + GAP + row * (96 + GAP), MARGIN + GAP + column * (96 + GAP)
    zoom = 96 // size
    return sheet[top : top + 96 : zoom, left : left + 96 : zoom]


def test_a_path_is_drawn_by_one_command_at_a_time_beside_others(command, tmp_path):
    given = ["--frames", 1, "--out", tmp_path / "drawn"]
    with alone_in_part(tmp_path / "drawn", "codes-linear"):
        status, output, errors = command("dcgan", *given)
        assert (status, output) == (2, "")
        assert errors == (
            f"error: folder '{tmp_path / 'drawn'}' is in use: another process works in it; wait "
            "until it has ended or choose another folder\n"
        )
        assert command("dcgan", *given, "--path", "spherical")[0] == 0
    drawn = [f"codes-spherical.{ending}" for ending in ("gif", "png")]
    assert sorted(os.listdir(tmp_path / "drawn")) == drawn


def test_codes_of_a_run_become_a_gif_and_a_strip(command, runs):
    status, output, errors = command("dcgan", "--frames", 4, "--path", "spherical", "--seed", 7)
    folder = runs / "dcgan" / "interpolation"
    names = ["codes-spherical.gif", "codes-spherical.png"]
    assert (status, errors) == (0, "")
    assert output == "".join(f"wrote {folder / name}\n" for name in names)
    assert sorted(os.listdir(folder)) == names
    frames, loop = gif(folder / names[0])
    assert (frames.shape, loop) == ((12, LINE + 96 + 2 * GAP, 96 + 2 * GAP, 3), 0)
    codes = np.random.Generator(np.random.Philox(key=7)).standard_normal((3, 6))
    made = baselines.load_run(runs / "dcgan").generate(path(codes, 4, True, "spherical"))
    sheet = np.array(Image.open(folder / names[1]))
    for number, image in enumerate(made):
        assert (shown(sheet, 0, number) == image).all()
    assert command("dcgan", "--frames", 4, "--path", "spherical", "--out", "x/y")[0] == 0
    assert (np.array(Image.open("x/y/codes-spherical.png")) != sheet).any()


def test_between_images_of_the_test_split_the_true_path_lies_below(command, runs):
    options = [*IMAGES, "--rows", 4, 2, "--no-cyclic", "--frames", 3]
    status, output, errors = command("aae", *options, "--out", "drawn")
    assert (status, errors) == (0, "")
    found = re.fullmatch(
        r"wrote drawn/images-linear\.gif\nwrote drawn/images-linear\.png\n"
        r"mean SSIM of model and Fractal Dream: (-?\d\.\d{3}) \(4 frames\)\n",
        output,
    )
    assert len(gif("drawn/images-linear.gif")[0]) == 4
    sheet = np.array(Image.open("drawn/images-linear.png"))
    params = fdd.sample_params(5, "test")[[4, 2]]
    true = resize(fdd.render(path(params, 3, False, "linear")), 16)
    model = baselines.load_run(runs / "aae")
    made = model.generate(path(model.encode(true[[0, 3]]), 3, False, "linear"))
    for number in range(4):
        assert (shown(sheet, 0, number) == made[number]).all()
        assert (shown(sheet, 1, number) == true[number]).all()
    from skimage.metrics import structural_similarity

    exact = [
        structural_similarity(
            a / 255,
            b / 255,
            channel_axis=2,
            data_range=1,
            gaussian_weights=True,
            use_sample_covariance=False,
        )
        for a, b in zip(made, true, strict=True)
    ]
    assert float(found[1]) == pytest.approx(np.mean(exact), abs=0.002)


def test_the_codes_of_lsd_follow_the_parameters(command, runs):
    options = [*IMAGES, "--stations", 2, "--frames", 3, "--out", "drawn"]
    assert command("lsd", *options)[0] == 0
    sheet = np.array(Image.open("drawn/images-linear.png"))
    line = path(fdd.sample_params(2, "test"), 3, True, "linear")
    made = baselines.load_run(runs / "lsd").generate(line / [1, 1, 3, 3, 3, 3])
    for number in range(6):
        assert (shown(sheet, 0, number) == made[number]).all()


def test_a_run_on_a_folder_passes_its_pictures(command, runs):
    options = [*IMAGES, "--rows", 39, 0, 7, "--frames", 1, "--out", "drawn"]
    output = "wrote drawn/images-linear.gif\nwrote drawn/images-linear.png\n"
    assert command("pictures", *options) == (0, output, "")
    photos = [np.array(Image.open(runs / "photos" / f"{row:02d}.png")) for row in (39, 0, 7)]
    model = baselines.load_run(runs / "pictures")
    sheet = np.array(Image.open("drawn/images-linear.png"))
    assert sheet.shape[0] == LINE + 96 + 2 * GAP
    for number, image in enumerate(model.generate(model.encode(np.stack(photos)))):
        assert (shown(sheet, 0, number) == image).all()


def test_frames_without_a_true_image_are_told_and_not_compared(runs, tmp_path):
    ends = fdd.sample_params(1, "test")
    ends = np.concatenate([ends, -ends])  # half way all parameters are 0
    options = Options(runs / "aae", frames=2, cyclic=False, between="images", out=tmp_path)
    model = baselines.load_run(options.run)
    frames = between_params(model, options, release("fdd-1"), ends, ["one", "other"])
    *_, compared, missing = write(frames, options)
    assert re.fullmatch(r"mean SSIM of model and Fractal Dream: .* \(2 frames\)", compared)
    assert missing == "left white, since degenerate parameters have no image: 1 of 3 frames"
    sheet = np.array(Image.open(tmp_path / "images-linear.png"))
    assert (shown(sheet, 1, 1) == 255).all()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "dcgan",
            IMAGES,
            "between='images': baseline='dcgan' has no encoder; use between='codes'",
        ),
        (
            "lsd",
            [*IMAGES, "--path", "spherical"],
            "path='spherical' must be linear with between='images' for the baseline 'lsd', whose "
            "codes follow the line of parameters",
        ),
        ("aae", ["--stations", 1], "stations=1 must be a whole number of at least 2"),
        ("aae", ["--frames", 0], "frames=0 must be a whole number of at least 1"),
        ("aae", ["--seed=-1"], f"seed=-1 must be a whole number from 0 to {2**63 - 1}"),
        ("aae", ["--rows", 1, 2], "rows=(1, 2) needs between='images', not 'codes'"),
        ("aae", [*IMAGES, "--rows", 3], "rows=(3,) must name at least 2 images"),
        ("aae", [*IMAGES, "--rows", 3, 5000], "rows=5000 must be a whole number from 0 to 4999"),
        ("pictures", [*IMAGES, "--rows", 3, 40], "rows=40 must be a whole number from 0 to 39"),
        ("aae", ["--device", "tpu"], "device='tpu' must be auto, cpu, cuda or cuda:N"),
        (
            "aae",
            ["--out", "/dev/null/x"],
            "folder '/dev/null/x': it cannot be written (Not a directory); choose another one",
        ),
        (
            "nowhere",
            [],
            "run='RUNS/nowhere' is not there: it must be a run folder, or one of "
            + ", ".join(SHIPPED),
        ),
    ],
)
def test_mistakes_are_one_sentence(command, runs, name, options, message):
    status, output, errors = command(name, "--out", "drawn", *options)
    assert (status, output) == (2, "")
    assert errors == f"error: {message.replace('RUNS', str(runs))}\n"
    assert os.listdir() == []


def test_the_other_checkpoint_is_asked_for(command, runs):
    options = ["--frames", 1, "--checkpoint", "best", "--out", "x"]
    assert command("aae", *options)[0] == 0
    codes = np.random.Generator(np.random.Philox(key=0)).standard_normal((3, 6))
    made = baselines.load_run(runs / "aae", checkpoint="best").generate(codes)
    assert (shown(np.array(Image.open("x/codes-linear.png")), 0, 0) == made[0]).all()


def test_a_trained_model_draws_by_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the folder that it writes has its name
        assert main(["mini-emulator", *IMAGES, "--frames", "1"]) == 0
        assert "mean SSIM of model and Fractal Dream: " in capsys.readouterr().out
    folder = tmp_path / "mini-emulator" / "interpolation"
    assert sorted(os.listdir(folder)) == ["images-linear.gif", "images-linear.png"]
    model = baselines.load_pretrained("mini-emulator", "cpu")
    made = model.generate(model.vectors(fdd.sample_params(3, "test", version="mini-1")))
    sheet = np.array(Image.open(folder / "images-linear.png"))
    for column, picture in enumerate(made):
        assert (shown(sheet, 0, column, size=32) == picture).all()


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--help"])
    output = capsys.readouterr().out
    for field in dataclasses.fields(Options):
        assert ("RUN " if field.name == "run" else f"--{field.name} ") in output.replace(",", " ")
