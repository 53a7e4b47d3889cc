package dev.llmworker.constraint;

import java.util.LinkedHashMap;

/// The constraints of one model, compiled when they are first needed. Those that were not used for longest are
/// forgotten if all together take more than a limit.
///
/// Threading: any thread.
public final class Constraints {
    private final TokenTrie tokens;
    private final long maxBytes;
    /// The one used last comes last.
    private final LinkedHashMap<Expression, Constraint> byExpression = new LinkedHashMap<>(16, 0.75f, true);

    /// @param maxBytes an estimate of the memory that constraints take while no generation uses them
    public Constraints(TokenTrie tokens, long maxBytes) {
        this.tokens = tokens;
        this.maxBytes = maxBytes;
    }

    /// @throws ConstraintException if it cannot be enforced
    public Constraint get(Expression expression) {
        synchronized (byExpression) {
            var known = byExpression.get(expression);
            if (known != null) {
                evict();
                return known;
            }
        }
        // Compiling may take a while; others do not wait for it.
        var compiled = new Constraint(expression, tokens);
        synchronized (byExpression) {
            var known = byExpression.putIfAbsent(expression, compiled);
            evict();
            return known == null ? compiled : known;
        }
    }

    private void evict() {
        var total = byExpression.values().stream().mapToLong(Constraint::bytes).sum();
        var oldest = byExpression.values().iterator();
        while (total > maxBytes && byExpression.size() > 1) {
            total -= oldest.next().bytes();
            oldest.remove();
        }
    }

    int size() {
        synchronized (byExpression) {
            return byExpression.size();
        }
    }
}
