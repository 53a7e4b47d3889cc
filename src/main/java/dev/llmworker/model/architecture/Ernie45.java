package dev.llmworker.model.architecture;

/// Llama whose heads turn in pairs of neighbours, also in files of transformers.
final class Ernie45 implements Architecture {
    @Override
    public String name() {
        return "ernie4_5";
    }

    @Override
    public String models() {
        return "ERNIE 4.5";
    }

    @Override
    public boolean halfSplit(boolean fromHub) {
        return false;
    }
}
