package dev.llmworker.engine;

import dev.llmworker.constraint.Constraint;
import dev.llmworker.constraint.ConstraintState;
import dev.llmworker.text.answer.AnswerParser;
import dev.llmworker.text.answer.AnswerPart;
import dev.llmworker.text.answer.ChatFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// An answer that is wanted in parts, while it is generated: it takes the tokens apart, and says which constraint holds
/// from when on. Nothing is constrained while the model thinks. Afterwards the whole answer is, if it must be a call or
/// has a format; otherwise it is from the moment on at which a call begins.
///
/// Threading: the engine thread.
final class PartedAnswer {
    /// What the request's constraints are.
    ///
    /// @param afterReasoning what follows the reasoning; null if it is free
    /// @param calls of calls, by their form; empty if the answer is constrained from its beginning
    /// @param endOfReasoning the marker that ends it; null if the reasoning has no limit
    /// @param maxReasoningTokens the limit
    /// @param controlTokens all of the model
    /// @param notEnding a mask of all tokens but those that end an answer
    record Rules(
            ChatFormat format,
            @Nullable Constraint afterReasoning,
            List<Constraint> calls,
            @Nullable Constraint endOfReasoning,
            int maxReasoningTokens,
            Set<Integer> controlTokens,
            long[] notEnding) {
        List<Constraint> constraints() {
            return Stream.concat(calls.stream(), Stream.of(afterReasoning, endOfReasoning))
                    .filter(Objects::nonNull)
                    .map(Objects::requireNonNull)
                    .toList();
        }
    }

    private final Rules rules;
    private final AnswerParser parser;
    private @Nullable ConstraintState constraint;
    private int reasoningTokens;

    /// @param constraint holds for the first token; null if there is none
    PartedAnswer(Rules rules, AnswerParser parser, @Nullable ConstraintState constraint) {
        this.rules = rules;
        this.parser = parser;
        this.constraint = constraint;
        limitReasoning();
    }

    /// Takes a token, which the constraint that holds has taken before.
    ///
    /// @param text what it adds to the text
    /// @return what it adds to the answer
    List<AnswerPart> push(int token, String text) {
        var thought = parser.isReasoning();
        var parts = rules.controlTokens.contains(token) ? parser.control(token) : parser.push(text);
        var thinks = parser.isReasoning();
        if (thought || thinks) {
            reasoningTokens++;
        }
        if (thinks) {
            constraint = thought ? constraint : null;
            limitReasoning();
        } else if (thought) {
            constraint = rules.afterReasoning == null ? null : following(rules.afterReasoning);
            if (rules.afterReasoning != null && constraint == null) {
                return afterReasoning(rules.afterReasoning, parts);
            }
        }
        return constraint == null && parser.isCalling() && !rules.calls.isEmpty() ? begunCall(parts) : parts;
    }

    private void limitReasoning() {
        if (constraint == null
                && rules.endOfReasoning != null
                && parser.isReasoning()
                && reasoningTokens >= rules.maxReasoningTokens) {
            constraint = rules.endOfReasoning.begin();
        }
    }

    /// The token that ended the reasoning has more text, which does not fit. That is dropped, and the answer begins
    /// with the next token.
    private List<AnswerPart> afterReasoning(Constraint next, List<AnswerPart> parts) {
        constraint = next.begin();
        parser.dropSince();
        return parts.stream().filter(AnswerPart.Reasoning.class::isInstance).toList();
    }

    private @Nullable ConstraintState following(Constraint next) {
        return next.begin(rules.format.expression(parser.since()));
    }

    /// A call has begun. If the token has more of it than its beginning, and that does not fit, it is no call.
    private List<AnswerPart> begunCall(List<AnswerPart> parts) {
        var all = new ArrayList<>(parts);
        while (constraint == null && parser.isCalling()) {
            constraint = following(rules.calls.get(parser.form()));
            if (constraint == null) {
                all.removeIf(part -> part instanceof AnswerPart.CallStart || part instanceof AnswerPart.CallArguments);
                all.addAll(parser.rejectCall());
            }
        }
        return all;
    }

    /// Which tokens may come next; null if all may.
    @Nullable
    ConstraintState constraint() {
        return constraint;
    }

    /// All that may hold later.
    List<Constraint> constraints() {
        return rules.constraints();
    }

    /// Which tokens may come next while no constraint holds; null if all may. An answer cannot end in its reasoning if
    /// something must follow.
    long @Nullable [] unconstrained() {
        return rules.afterReasoning != null && parser.isReasoning() ? rules.notEnding : null;
    }

    /// The text for the user among some parts.
    static String content(List<AnswerPart> parts) {
        return parts.stream()
                .map(part -> part instanceof AnswerPart.Content(var text) ? text : "")
                .collect(Collectors.joining());
    }

    /// The last parts of an answer that has ended.
    List<AnswerPart> end() {
        return parser.end();
    }

    boolean hasCalls() {
        return parser.calls() > 0;
    }

    int reasoningTokens() {
        return reasoningTokens;
    }
}
