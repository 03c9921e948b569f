"""One simulated landing: plan, pilot, loop, link, judgement and picture."""
