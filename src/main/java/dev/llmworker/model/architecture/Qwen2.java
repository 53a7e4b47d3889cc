package dev.llmworker.model.architecture;

final class Qwen2 implements Architecture {
    @Override
    public String name() {
        return "qwen2";
    }

    @Override
    public String models() {
        return "Qwen 2 and 2.5";
    }

    @Override
    public void describe(Description model) {
        model.biased = true;
    }
}
