package dev.llmworker.model.architecture;

/// Llama with joined matrices, which [dev.llmworker.model.LayerTensors] finds. Long contexts have factors of their own.
final class Phi3 implements Architecture {
    @Override
    public String name() {
        return "phi3";
    }

    @Override
    public String models() {
        return "Phi 3, 3.5 and 4";
    }
}
