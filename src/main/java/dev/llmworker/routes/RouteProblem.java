package dev.llmworker.routes;

import java.nio.file.Path;
import org.apache.camel.ResolveEndpointFailedException;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;

/// A problem in a route file, for its author: one line with the file and the line number.
final class RouteProblem extends Exception {
    private final int line;

    /// @param line from 1; 0 if unknown
    RouteProblem(int line, String message) {
        super(message, null, false, false);
        this.line = line;
    }

    /// `routes/mine.camel.yaml:7: …`
    static String of(Path file, Exception failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof RouteProblem problem) {
                return at(file, problem.line, String.valueOf(problem.getMessage()));
            }
            if (cause instanceof MarkedYamlEngineException yaml
                    && yaml.getProblemMark().isPresent()) {
                return at(file, yaml.getProblemMark().get().getLine() + 1, yaml.getProblem());
            }
        }
        return at(file, 0, reason(failure));
    }

    private static String at(Path file, int line, String message) {
        return file + (line > 0 ? ":" + line : "") + ": " + message.strip();
    }

    /// The most helpful message: that of the innermost cause, or of the endpoint that it belongs to.
    static String reason(Throwable failure) {
        var cause = failure;
        while (cause.getCause() != null && !(cause instanceof ResolveEndpointFailedException)) {
            cause = cause.getCause();
        }
        return cause.getMessage() == null ? cause.toString() : cause.getMessage();
    }
}
