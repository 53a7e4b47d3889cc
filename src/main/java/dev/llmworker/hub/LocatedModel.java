package dev.llmworker.hub;

import java.nio.file.Path;

/// A model that lies on this machine.
///
/// @param name what clients call it: the hub's id, or the file's name without its suffix
/// @param file its GGUF file; for safetensors the folder, or the file of weights that `MODEL` names
public record LocatedModel(String name, Path file) {}
