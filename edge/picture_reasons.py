"""Reasons of the picture in texts to the pilot: the meaning of each, and the next step; for `edge.pilot_texts`."""

from __future__ import annotations

from edge.pilot_reasons import PilotText

PICTURE = (
    PilotText(
        "bad-picture: the picture is black (mean <number> of 255)",
        "Lens cap, night, or no light.",
        "Do not land by it.",
    ),
    PilotText(
        "bad-picture: the picture is white (mean <number> of 255)", "Too much light.", "Turn from the sun, or wait."
    ),
    PilotText(
        "bad-picture: the picture is blank (contrast <number> of 255)",
        "Fog, a cover, or bare snow.",
        "Fly over other ground. Else do not land by it.",
    ),
    PilotText(
        "bad-picture: the picture has no colour",
        "A grey, thermal or infrared camera. The network learned colours, and takes hazards for ground without them.",
        "Land by hand. Use a colour camera, or a model that learned grey pictures with `picture.least_colour = 0`.",
    ),
    PilotText(
        "bad-picture: fog or haze (the darkest has <share> % of the mean)",
        "Fog, smoke, dust, a dirty lens, or bare snow as far as it sees. The network misses people in it.",
        "Fly lower or over other ground, if that is safe. Else land by hand.",
    ),
    PilotText(
        "bad-picture: the lens is covered or fogged (no detail in <share> % of the picture)",
        "A cap, a finger, water on the lens, thick fog, or very smooth ground.",
        "Fly over other ground. If it stays: land by hand and clean the lens.",
    ),
    PilotText(
        "bad-picture: the picture is blurred (sharpness <number>)",
        "Out of focus, wet, or shaking.",
        "Hover. If it stays: land by hand and clean the lens.",
    ),
    PilotText(
        "bad-picture: the picture is frozen (since <way> m and <angle> degrees)",
        "The same picture comes again and again, though the vehicle moves.",
        "Take over. After landing: restart the camera.",
    ),
    PilotText(
        "bad-picture: the picture is frozen",
        "The same picture comes again and again.",
        "Take over. After landing: restart the camera.",
    ),
    PilotText(
        "picture-motion: the picture is a loop of old ones (since <time> s, <way> m and <angle> degrees)",
        "Old pictures come again, so old and from so far away.",
        "Take over. After landing: restart the camera.",
    ),
    PilotText(
        "picture-motion: the picture is a loop of old ones",
        "Old pictures come again.",
        "Take over. After landing: restart the camera.",
    ),
    PilotText(
        "picture-motion: the picture is mirrored <left to right or top to bottom>",
        "The camera or its driver flips the picture.",
        "Take over. Switch the flip off.",
    ),
    PilotText(
        "picture-motion: the picture is mirrored and turned by <angle> degrees",
        "The camera or its driver flips the picture and turns it.",
        "Take over. Switch both off.",
    ),
    PilotText(
        "picture-motion: the picture does not move",
        "The vehicle moves and the picture does not.",
        "Take over. Restart the camera.",
    ),
    PilotText(
        "picture-motion: the camera is turned by about <angle> degrees against camera.mount",
        "The top of the picture is not where the settings say.",
        "Take over. Put `camera.mount` right.",
    ),
    PilotText(
        "picture-motion: the camera is tilted by about <angle> degrees against camera.mount",
        "The camera looks elsewhere than the settings say.",
        "Take over. Put `camera.mount` right.",
    ),
    PilotText(
        "picture-motion: the focal length is about <number> times the configured one",
        "The field of view in the settings is wrong, or the camera zooms.",
        "Take over. Put `camera.hfov_deg` or the calibration right.",
    ),
    PilotText(
        "picture-motion: the height told is about <number> times the true one",
        "The ground moves otherwise than at this height: a wrong rangefinder, or ground higher than at take-off.",
        "Take over. Check the rangefinder.",
    ),
    PilotText(
        "picture-motion: the picture is about <time> ms <later or earlier> than its stamp",
        "The camera is slower than the settings say.",
        "Take over. Put `camera.latency_ms` right.",
    ),
    PilotText(
        "picture-motion: the position drifts by about <number> m/s",
        "The autopilot's position moves by itself.",
        "Take over. Check GPS and compass.",
    ),
)
"""Pictures that are not decided on, and those that move wrongly: `landing.picture`, `landing.motion.mistakes`."""
