package dev.llmworker.constraint;

import org.jspecify.annotations.Nullable;

/// How far one generation has come in its constraint.
///
/// Threading: one thread at a time.
public final class ConstraintState {
    private final Constraint constraint;
    private Automaton.State state;
    private boolean hasEnded;

    ConstraintState(Constraint constraint, Automaton.State state) {
        this.constraint = constraint;
        this.state = state;
    }

    /// What the generation must keep to.
    public Constraint constraint() {
        return constraint;
    }

    /// A state at the same place that goes its own way, for instance to try tokens out.
    public ConstraintState copy() {
        var copy = new ConstraintState(constraint, state);
        copy.hasEnded = hasEnded;
        return copy;
    }

    /// The tokens that may come next: bit `id % 64` of word `id / 64`. A token that ends the answer is allowed
    /// exactly if [#isComplete()].
    ///
    /// @throws ConstraintException if none may, or if a limit on time is reached
    public long[] mask() {
        var bits = new long[constraint.words()];
        mask(bits);
        return bits;
    }

    /// Like [#mask()], into an array of [Constraint#words()] words.
    public void mask(long[] bits) {
        if (hasEnded) {
            throw new IllegalStateException("the answer has ended");
        }
        constraint.mask(state, bits);
    }

    /// As [#mask()] if this place has been visited before, without waiting for another thread; else null.
    public long @Nullable [] knownMask() {
        return hasEnded ? null : constraint.knownMask(state);
    }

    /// Goes on with a token. False if it is not allowed; then nothing has changed.
    ///
    /// @throws ConstraintException if a limit on time is reached
    public boolean advance(int token) {
        if (hasEnded) {
            return false;
        }
        var next = constraint.after(state, token);
        if (next != null) {
            state = next;
            return true;
        }
        hasEnded = state.accepts && constraint.isEndOfSequence(token);
        return hasEnded;
    }

    /// Whether the answer may end here.
    public boolean isComplete() {
        return state.accepts;
    }

    /// Whether the answer must end here, or has ended: no text may follow.
    public boolean isFinished() {
        return hasEnded || state.accepts && state.isLast();
    }
}
