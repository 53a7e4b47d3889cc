package dev.llmworker.constraint;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// What an answer must look like, compiled for the tokens of a model. Generations share it, and what it has
/// found out for one of them serves the others.
///
/// Threading: any thread. Masks of the same constraint are computed one after the other.
public final class Constraint {
    private final TokenTrie tokens;
    private final Grammar grammar;
    /// Is locked while it is used.
    final Automaton automaton;
    private final Automaton.State start;
    /// The first mask, so that a generation begins without waiting for others.
    private final long[] startMask;
    /// What the expression takes, which a cache keeps as its key.
    private final long keyBytes;
    private volatile long bytes;
    /// Those that use it. The first one counts its memory, so that it counts once.
    private final ArrayDeque<LongConsumer> users = new ArrayDeque<>();
    private long counted;

    /// @throws ConstraintException if it cannot be enforced
    public Constraint(Expression expression, TokenTrie tokens) {
        this(expression, tokens, Limits.STATE_BYTES, Limits.TOKEN_STEPS);
    }

    /// @param maxBytes of what it finds out and keeps
    /// @param maxSteps for one mask or token
    Constraint(Expression expression, TokenTrie tokens, long maxBytes, int maxSteps) {
        this.tokens = tokens;
        keyBytes = 2 * expression.characters();
        grammar = ExpressionCompiler.compile(expression);
        automaton = new Automaton(grammar, tokens, maxBytes, maxSteps);
        start = automaton.start();
        startMask = new long[tokens.words()];
        automaton.mask(start, startMask);
        requireSome(startMask);
        settle();
    }

    /// The state of a generation before its first token.
    public ConstraintState begin() {
        return new ConstraintState(this, start);
    }

    /// The state of a generation that has begun with a text; null if the constraint does not allow that.
    ///
    /// @param text of [Expression.Literal]s and [Expression.ControlToken]s
    public @Nullable ConstraintState begin(Expression text) {
        var after = after(start, bytes(text));
        return after == null ? null : new ConstraintState(this, after);
    }

    /// @param text of [Expression.Literal]s and [Expression.ControlToken]s
    static byte[] bytes(Expression text) {
        return switch (text) {
            case Expression.Literal(var literal) -> literal.getBytes(StandardCharsets.UTF_8);
            case Expression.ControlToken(var id) -> TokenTrie.controlBytes(id);
            case Expression.Sequence(var parts) -> {
                var all = new ByteArrayOutputStream();
                parts.forEach(part -> all.writeBytes(bytes(part)));
                yield all.toByteArray();
            }
            default -> throw new IllegalArgumentException("no text: " + text);
        };
    }

    /// The length of a mask.
    public int words() {
        return tokens.words();
    }

    /// An estimate of the memory that it takes now.
    long bytes() {
        return bytes;
    }

    private void settle() {
        automaton.trim();
        bytes = grammar.bytes() + automaton.bytes() + 8L * startMask.length + keyBytes;
        synchronized (users) {
            count();
        }
    }

    /// Tells a user how many bytes the constraint takes, and how many more or fewer whenever that changes. If it has
    /// several users, one of them at a time counts its bytes.
    public void use(LongConsumer memory) {
        synchronized (users) {
            users.add(memory);
            count();
        }
    }

    /// Ends [#use]; what the user was told is taken back.
    public void release(LongConsumer memory) {
        synchronized (users) {
            if (users.peek() == memory) {
                memory.accept(-counted);
                counted = 0;
            }
            users.remove(memory);
            count();
        }
    }

    private void count() {
        var first = users.peek();
        var change = bytes - counted;
        if (first != null && change != 0) {
            first.accept(change);
            counted = bytes;
        }
    }

    void mask(Automaton.State state, long[] bits) {
        if (bits.length != words()) {
            throw new IllegalArgumentException("a mask of " + bits.length + " words; expected " + words());
        }
        if (state == start) {
            System.arraycopy(startMask, 0, bits, 0, bits.length);
            return;
        }
        synchronized (automaton) {
            try {
                automaton.mask(automaton.current(state), bits);
            } finally {
                settle();
            }
        }
        requireSome(bits);
    }

    /// Null if it has to be computed.
    long @Nullable [] knownMask(Automaton.State state) {
        if (state == start) {
            return startMask.clone();
        }
        var bits = new long[words()];
        return state.copyMask(bits) ? bits : null;
    }

    private static void requireSome(long[] bits) {
        for (var word : bits) {
            if (word != 0) {
                return;
            }
        }
        throw new ConstraintException(
                "the answer",
                "cannot go on: it nests deeper than " + Limits.DEPTH + ", or the model has no token for the next byte");
    }

    boolean isEndOfSequence(int token) {
        return tokens.isEndOfSequence(token);
    }

    /// Null if the token may not follow.
    Automaton.@Nullable State after(Automaton.State state, int token) {
        if (token < 0 || token >= tokens.size()) {
            throw new IllegalArgumentException("token " + token + " of a vocabulary of " + tokens.size());
        }
        var bytes = tokens.bytes(token);
        return bytes.length == 0 ? null : after(state, bytes);
    }

    private Automaton.@Nullable State after(Automaton.State state, byte[] bytes) {
        synchronized (automaton) {
            try {
                return automaton.after(automaton.current(state), bytes);
            } finally {
                settle();
            }
        }
    }
}
