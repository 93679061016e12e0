"""Simulated robots for tests, rendered once a session; without MuJoCo or a GL library tests are skipped."""

import os
from pathlib import Path

import pytest

from worldprobe.errors import VideoError
from worldprobe.video.rendered.robots.draw import gl_context
from worldprobe.video.rendered.robots.render import RobotSource, render_robots

COUNT, SEED = 9, 3
# Another arm than the one that is built in: four joints, and a jaw that turns about a hinge.
FOREIGN = """
<mujoco model="foreign">
  <compiler angle="radian" autolimits="true"/>
  <default><joint damping="2" armature=".02" range="-2.9 2.9"/><position kp="300" dampratio="1"/></default>
  <worldbody>
    <body name="link" pos="0 0 .2" gravcomp="1">
      <joint name="turn" axis="0 0 1"/><geom type="capsule" size=".03" fromto="0 0 0 0 0 .05"/>
      <body name="a" gravcomp="1">
        <joint name="a" axis="0 1 0"/><geom type="capsule" size=".03" fromto="0 0 0 0 0 .35"/>
        <body name="b" pos="0 0 .35" gravcomp="1">
          <joint name="b" axis="0 1 0"/><geom type="capsule" size=".03" fromto="0 0 0 0 0 .3"/>
          <body name="c" pos="0 0 .3" gravcomp="1">
            <joint name="c" axis="0 1 0"/><geom type="box" size=".03 .04 .02"/>
            <body name="left" pos="0 .03 .02" gravcomp="1">
              <joint name="left_jaw" axis="1 0 0" range="-.6 0"/>
              <geom type="box" size=".01 .006 .04" pos="0 0 .05"/>
            </body>
            <body name="right" pos="0 -.03 .02" gravcomp="1">
              <joint name="right_jaw" axis="-1 0 0" range="-.6 0"/>
              <geom type="box" size=".01 .006 .04" pos="0 0 .05"/>
            </body>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <position joint="turn"/><position joint="a"/><position joint="b"/><position joint="c"/>
    <position joint="left_jaw" ctrlrange="-.6 0" kp="20"/><position joint="right_jaw" ctrlrange="-.6 0" kp="20"/>
  </actuator>
</mujoco>
"""


def require_robots() -> None:
    """Skip a test where robots cannot be rendered, and say why."""
    try:
        gl_context()
    except VideoError as error:
        pytest.skip(str(error))


def some_robots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A few clips, the same for every test of a session: none may change them."""
    require_robots()
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "some-robots"
    return render_robots(RobotSource(COUNT, SEED), folder, workers=1)
