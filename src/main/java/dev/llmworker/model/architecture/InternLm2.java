package dev.llmworker.model.architecture;

/// Llama whose queries, keys and values are one matrix, which [dev.llmworker.model.LayerTensors] finds.
final class InternLm2 implements Architecture {
    @Override
    public String name() {
        return "internlm2";
    }

    @Override
    public String models() {
        return "InternLM 2 and 2.5";
    }

    @Override
    public boolean halfSplit(boolean fromHub) {
        return fromHub;
    }
}
