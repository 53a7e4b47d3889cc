package dev.llmworker.model.architecture;

import dev.llmworker.model.Attention.HeadNorm;

final class Qwen3 implements Architecture {
    @Override
    public String name() {
        return "qwen3";
    }

    @Override
    public String models() {
        return "Qwen 3";
    }

    @Override
    public void describe(Description model) {
        model.headNorm = HeadNorm.EACH;
    }
}
