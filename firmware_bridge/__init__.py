"""The flight-controller link: the only package that imports pymavlink and pyserial."""
