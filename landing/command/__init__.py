"""Commands beyond a landing target, by the authority that the configuration gives, and the gimbal's pointing."""
