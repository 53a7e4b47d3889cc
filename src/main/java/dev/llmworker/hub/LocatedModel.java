package dev.llmworker.hub;

import java.nio.file.Path;

/// A model on this machine.
///
/// @param name the name for clients: the hub's id, or the file's name without its suffix
/// @param file the GGUF file; for safetensors the folder, or the weights file that `MODEL` names
public record LocatedModel(String name, Path file) {}
