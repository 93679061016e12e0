"""Labels by detection networks: ONNX, transformers, Ultralytics."""
