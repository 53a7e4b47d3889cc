package dev.llmworker.constraint;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The constraints of one model, compiled when they are first needed, one at a time. Those that were not used
/// for longest are forgotten if there are more than a limit, or all together take more than one.
///
/// Threading: any thread.
public final class Constraints {
    private final Function<Expression, Constraint> compiler;
    private final long maxBytes;
    /// Is held while a constraint is compiled, so that many requests for one compile it once.
    private final ReentrantLock compiling = new ReentrantLock();
    /// The one used last comes last.
    private final LinkedHashMap<Expression, Constraint> byExpression = new LinkedHashMap<>(16, 0.75f, true);

    /// @param maxBytes an estimate of the memory that constraints take while no generation uses them
    public Constraints(TokenTrie tokens, long maxBytes) {
        this(expression -> new Constraint(expression, tokens), maxBytes);
    }

    Constraints(Function<Expression, Constraint> compiler, long maxBytes) {
        this.compiler = compiler;
        this.maxBytes = maxBytes;
    }

    /// @throws ConstraintException if it cannot be enforced
    /// @throws CancellationException if the thread is interrupted; it stays so
    public Constraint get(Expression expression) {
        var known = find(expression);
        return known != null
                ? known
                : alone(() -> {
                    var compiled = find(expression);
                    return compiled == null ? add(expression, compiler.apply(expression)) : compiled;
                });
    }

    /// Whether a constraint is compiled. This waits for none that is compiled now.
    public boolean has(Expression expression) {
        return find(expression) != null;
    }

    /// Which of several expressions is the first that cannot be enforced by itself. They take no more steps together
    /// than one constraint may; if they take more before such an expression is reached, none is found.
    ///
    /// @throws CancellationException if the thread is interrupted; it stays so
    public OptionalInt firstFaulty(List<Expression> expressions) {
        return alone(() -> ExpressionCompiler.firstFaulty(expressions));
    }

    /// While it compiles, a constraint may take much more memory than afterwards.
    private <T> T alone(Supplier<T> work) {
        try {
            compiling.lockInterruptibly();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new CancellationException("interrupted while another format was compiled");
        }
        try {
            return work.get();
        } finally {
            compiling.unlock();
        }
    }

    private @Nullable Constraint find(Expression expression) {
        synchronized (byExpression) {
            var known = byExpression.get(expression);
            if (known != null) {
                evict();
            }
            return known;
        }
    }

    private Constraint add(Expression expression, Constraint compiled) {
        synchronized (byExpression) {
            byExpression.put(expression, compiled);
            evict();
            return compiled;
        }
    }

    /// Constraints grow while they are used, so their sizes are added up each time.
    private void evict() {
        var total = byExpression.sequencedValues().stream()
                .mapToLong(Constraint::bytes)
                .sum();
        while (byExpression.size() > 1 && (byExpression.size() > Limits.KEPT_CONSTRAINTS || total > maxBytes)) {
            total -= byExpression.pollFirstEntry().getValue().bytes();
        }
    }

    int size() {
        synchronized (byExpression) {
            return byExpression.size();
        }
    }
}
