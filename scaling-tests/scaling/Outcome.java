package scaling;

/// What one of the three tests says.
record Outcome(String name, State state, String sentence) {
    enum State {
        PASSED,
        FAILED,
        UNFINISHED
    }

    static Outcome of(String name, boolean finished, boolean passed, String sentence) {
        return new Outcome(name, !finished ? State.UNFINISHED : passed ? State.PASSED : State.FAILED, sentence);
    }
}
