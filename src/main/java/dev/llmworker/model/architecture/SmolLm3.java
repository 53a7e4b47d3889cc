package dev.llmworker.model.architecture;

/// Llama, but one layer of four does not know positions.
final class SmolLm3 implements Architecture {
    private static final int PATTERN = 4;

    @Override
    public String name() {
        return "smollm3";
    }

    @Override
    public String models() {
        return "SmolLM3";
    }

    @Override
    public boolean halfSplit(boolean fromHub) {
        return fromHub;
    }

    @Override
    public void describe(Description model) {
        model.turningPattern = PATTERN;
    }
}
