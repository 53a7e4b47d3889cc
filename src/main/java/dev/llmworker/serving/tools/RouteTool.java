package dev.llmworker.serving.tools;

import dev.llmworker.text.chat.ToolArguments;
import java.util.Map;
import java.util.Set;
import org.apache.camel.Exchange;
import org.jspecify.annotations.Nullable;

/// A route that a model may call.
///
/// Threading: any thread.
public interface RouteTool {
    /// What the model learns of it, and what a call must look like.
    ToolArguments arguments();

    /// What people are told of it, by the names of MCP's annotations, such as `title` and `readOnlyHint`. Nothing is
    /// enforced.
    default Map<String, Object> annotations() {
        return Map.of();
    }

    /// Empty for a tool that every step of a route may use.
    Set<String> tags();

    /// The id of the route.
    String route();

    /// Whether it waits for a newer version to take its place.
    boolean isSuspended();

    /// Runs the route.
    ///
    /// @param arguments that have been checked
    /// @param caller the exchange for which the model answers
    /// @return the result, as text for the model
    /// @throws Exception as the route does
    String call(Map<String, @Nullable Object> arguments, Exchange caller) throws Exception;
}
