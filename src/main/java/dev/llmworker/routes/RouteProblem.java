package dev.llmworker.routes;

import java.nio.file.Path;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.camel.ResolveEndpointFailedException;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;

/// A problem in a route file, for its author: one line with the file and the line number.
final class RouteProblem extends Exception {
    private static final Pattern UNKNOWN_OPTIONS = Pattern.compile("(?s).*Unknown parameters=\\[\\{(.*)}].*");
    /// Options are separated by commas. A value may have commas and `=` too, so the first name is always right.
    private static final Pattern OPTION = Pattern.compile("(?:^|, )([A-Za-z][\\w.-]*)=");
    private static final String CAUSE = " due to: ";

    private final int line;

    /// @param line from 1; 0 if unknown
    RouteProblem(int line, String message) {
        super(message, null, false, false);
        this.line = line;
    }

    /// `routes/mine.camel.yaml:7: …`
    static String of(Path file, Throwable failure) {
        for (var cause = failure; cause != null; cause = cause.getCause()) {
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
        return switch (cause) {
            case ResolveEndpointFailedException endpoint -> Connectors.explain(endpointReason(endpoint));
            case ClassNotFoundException missing -> Connectors.explainClass(String.valueOf(missing.getMessage()));
            case NoClassDefFoundError missing ->
                Connectors.explainClass(String.valueOf(missing.getMessage()).replace('/', '.'));
            default -> Connectors.explain(Objects.requireNonNullElse(cause.getMessage(), cause.toString()));
        };
    }

    /// Camel repeats the endpoint and masks what looks like a secret. Its cause alone says what is wrong.
    private static String endpointReason(ResolveEndpointFailedException failure) {
        var message = String.valueOf(failure.getMessage());
        var at = message.indexOf(CAUSE);
        var reason = at < 0 ? message : message.substring(at + CAUSE.length());
        var options = UNKNOWN_OPTIONS.matcher(reason);
        if (!options.matches()) {
            return reason;
        }
        var names = OPTION.matcher(options.group(1))
                .results()
                .map(option -> option.group(1))
                .collect(Collectors.joining(", "));
        return failure.getUri().replaceFirst("\\?.*", "") + " has no option " + names;
    }
}
