"""Test what `inspect` shows of a file, with its picture, and what counts as a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gnn_discovery import pipeline
from gnn_discovery.cli import app
from gnn_discovery.cli.trajectory_plot import PLOT_COLUMNS, PLOT_ROWS, plot_trajectory
from gnn_discovery.data.readers import trajectory_files
from gnn_discovery.data.trajectory import Trajectory

FRAMES = 60


def orbit(dim: int = 2) -> Trajectory:
    """Two bodies opposite on a circle of radius 2 about (5, 5), in 2 pi."""
    t = np.linspace(0, 2 * np.pi, FRAMES)
    circle = 2 * np.stack([np.cos(t), np.sin(t), np.zeros(FRAMES)], axis=-1)[:, :dim]
    return Trajectory(np.stack([5 + circle, 5 - circle], axis=1), t)


def csv(path: str, run: Trajectory) -> None:
    rows = [f"{t!r},{i},{x!r},{y!r}" for t, frame in zip(run.times.tolist(), run.positions.tolist(), strict=True)
            for i, (x, y) in enumerate(frame)]  # fmt: skip
    Path(path).write_text("\n".join(["t,id,x,y", *rows]) + "\n")


def inspect(*arguments: str) -> dict:
    result = CliRunner().invoke(app, ["inspect", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_file_is_understood_by_its_content(in_tmp):
    csv("tracks.anything", orbit())
    found = inspect("tracks.anything")
    assert (found["format"], found["runs"], found["frames"], found["particles"]) == ("csv", 1, FRAMES, 2)
    assert found["positions"]["x"] == "3 to 7"
    assert found["separations"] == pytest.approx(4.0, rel=1e-9)
    assert all(float(v) == pytest.approx(2.0, rel=1e-5) for v in str(found["speeds"]).split(" to "))
    assert found["noise"] < 1e-6 and found["notes"] == []


def test_units_are_asked_for_and_taken(in_tmp):
    csv("tracks.csv", orbit())
    assert "not stated (give --units length=...,time=...)" in inspect("tracks.csv")["units"]
    assert inspect("tracks.csv", "--units", "length=AU, time=day")["units"] == {"length": "AU", "time": "day"}


def test_what_was_read_of_a_large_file_is_said(in_tmp, monkeypatch):
    csv("tracks.csv", orbit())
    monkeypatch.setattr(trajectory_files, "MOTION_BYTE_LIMIT", 1000)
    found = inspect("tracks.csv")
    assert found["runs"] == 1 and found["notes"] == ["Of 60 frames, 15 in the middle were read."]


def test_the_report_says_it_too(in_tmp, monkeypatch):
    """Straight lines, so that nothing is to be learnt."""
    from gnn_discovery import discover

    t = np.arange(300.0)
    csv("lines.csv", Trajectory(np.stack([[0.0, 1.0] + 0.01 * t[:, None], [5.0, 5.0] - 0.02 * t[:, None]], 1), t))
    monkeypatch.setattr(trajectory_files, "MOTION_BYTE_LIMIT", 8000)
    assert "Of 300 frames, 125 in the middle were read." in discover("lines.csv").assumptions


def test_the_picture_of_a_circle_is_round_and_small():
    drawn = plot_trajectory(orbit(3)).splitlines()
    assert len(drawn) <= 15 and max(map(len, drawn[:-1])) <= PLOT_COLUMNS
    bits = np.array([[ord(c) - 0x2800 for c in line.ljust(PLOT_COLUMNS, "\u2800")] for line in drawn[:-1]])
    weights = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
    dots = (bits[:, None, :, None] & weights[None, :, None, :]) > 0
    up, across = np.nonzero(dots.reshape(4 * PLOT_ROWS, 2 * PLOT_COLUMNS))
    radius = np.hypot(up - (4 * PLOT_ROWS - 1) / 2, across - (4 * PLOT_ROWS - 1) / 2)
    assert np.ptp(radius) < 2.5 and radius.mean() == pytest.approx((4 * PLOT_ROWS - 1) / 2, rel=0.03)
    assert "x 3" in drawn[-1] and "y 3" in drawn[-1]


def test_motion_along_a_line_is_drawn_over_time_and_through_the_walls_of_a_box():
    t = np.arange(10.0)
    x = np.stack([t % 5, 2.5 + 0 * t], axis=1)[:, :, None]
    drawn = plot_trajectory(Trajectory(x, t, box=np.array([5.0])))
    assert "time 0 to 9" in drawn and "x 0 to 9" in drawn


def test_a_system_is_no_file_even_where_a_file_has_its_name(in_tmp):
    Path("spring").write_text("mine")
    assert not pipeline.names_a_file("spring") and pipeline.names_a_file("./spring")
    assert not pipeline.names_a_file("mine.py:force") and not pipeline.names_a_file("package.module:Name")
    assert pipeline.names_a_file("missing.csv") and not pipeline.names_a_file("gravty")
