package dev.llmworker.remote;

import dev.llmworker.constraint.ConstraintException;
import dev.llmworker.constraint.Gbnf;
import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.RefusedException;
import org.jspecify.annotations.Nullable;

/// A format that a server is asked for. It is written as a grammar of llama.cpp once, which can take a while: on the
/// request's thread, if one of the servers may need it.
///
/// Threading: any thread.
final class RemoteFormat {
    private final AnswerFormat format;
    private @Nullable String grammar;
    private @Nullable RefusedException refusal;

    RemoteFormat(AnswerFormat format) {
        this.format = format;
    }

    AnswerFormat format() {
        return format;
    }

    /// Writes the grammar in advance. If there is none, [#grammar] says so when a server needs it.
    synchronized void prepare() {
        if (grammar != null || refusal != null) {
            return;
        }
        try {
            grammar = switch (format) {
                case AnswerFormat.Pattern(var _, var regex) -> Gbnf.ofRegex(regex);
                case AnswerFormat.Choice(var _, var options) -> Gbnf.ofTexts(options);
                // Servers take a schema as it is.
                case AnswerFormat.Json _ -> "";
            };
        } catch (ConstraintException e) {
            refusal = new RefusedException(
                    RefusedException.Reason.INVALID, "invalid_request", format.field() + ": " + e.getMessage());
        }
    }

    /// The format as a grammar of llama.cpp.
    ///
    /// @throws RefusedException if such a grammar cannot have it, or would be too long
    synchronized String grammar() {
        prepare();
        if (refusal != null) {
            throw refusal;
        }
        return String.valueOf(grammar);
    }

    /// About how many bytes it holds until the answer has ended.
    synchronized long heldBytes() {
        return grammar == null ? 0 : grammar.length();
    }
}
