"""ONNX to TensorRT engine: prepared here, built where it flies, taken home with its manifest."""
