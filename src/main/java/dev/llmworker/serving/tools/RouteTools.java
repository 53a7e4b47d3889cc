package dev.llmworker.serving.tools;

import dev.llmworker.serving.request.ToolFields;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.text.chat.Tool;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The routes that are tools now. While a file is reloaded, a tool may be there twice: the newer one serves.
///
/// Threading: any thread.
public final class RouteTools implements ToolFields.Routes {
    /// By name, so that prompts have the tools in the same order each time. The newest of a name comes last.
    private final Map<String, List<RouteTool>> byName = new TreeMap<>();

    private final Set<String> clientTags;

    /// @param clientTags the tags that clients may name: `ROUTE_TOOLS`
    public RouteTools(Set<String> clientTags) {
        this.clientTags = Set.copyOf(clientTags);
    }

    /// @throws IllegalStateException if another route is the tool of this name
    public synchronized void add(RouteTool tool) {
        var name = tool.arguments().tool().name();
        var known = byName.computeIfAbsent(name, _ -> new ArrayList<>());
        known.stream().filter(it -> !it.isSuspended()).findFirst().ifPresent(other -> {
            throw new IllegalStateException("the tool " + name + " of route " + tool.route()
                    + " is already there: route " + other.route() + " has it");
        });
        known.add(tool);
    }

    public synchronized void remove(RouteTool tool) {
        byName.values().forEach(known -> known.remove(tool));
        byName.values().removeIf(List::isEmpty);
    }

    public synchronized boolean isEmpty() {
        return byName.isEmpty();
    }

    private synchronized List<RouteTool> newest() {
        return byName.values().stream().map(List::getLast).toList();
    }

    /// The tools of a step of a route: those that have one of the tags, and those without tags.
    ///
    /// @throws IllegalStateException naming a tag that no tool has
    public List<RouteTool> ofStep(Collection<String> tags) {
        var all = newest();
        for (var tag : tags) {
            if (all.stream().noneMatch(tool -> tool.tags().contains(tag))) {
                throw new IllegalStateException("no started route is a tool with the tag " + tag);
            }
        }
        return all.stream().filter(isForStep(tags)).toList();
    }

    /// Which tools a step may use.
    public static Predicate<RouteTool> isForStep(Collection<String> tags) {
        return tool -> tool.tags().isEmpty() || tags.stream().anyMatch(tool.tags()::contains);
    }

    /// Whether a client may have the worker call it.
    public boolean isForClients(RouteTool tool) {
        return tool.tags().stream().anyMatch(clientTags::contains);
    }

    /// The newest tool of a name; null if there is none any more.
    synchronized @Nullable RouteTool find(String name) {
        var known = byName.get(name);
        return known == null ? null : known.getLast();
    }

    @Override
    public List<Tool> tools(String at, List<String> tags) {
        for (var tag : tags) {
            if (!clientTags.contains(tag)) {
                throw RequestException.invalid(
                        at,
                        at + " has \"" + RequestFields.shortened(tag)
                                + "\", which is not among the tags that ROUTE_TOOLS allows");
            }
        }
        var found = newest().stream()
                .filter(tool -> tags.stream().anyMatch(tool.tags()::contains))
                .map(tool -> tool.arguments().tool())
                .toList();
        if (found.isEmpty()) {
            throw RequestException.invalid(
                    at, at + " is [" + String.join(", ", tags) + "]; no route is a tool with such a tag");
        }
        return found;
    }
}
