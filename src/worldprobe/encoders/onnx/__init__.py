"""Any network in an ONNX file as an encoder: one of its inner tensors becomes tokens."""
