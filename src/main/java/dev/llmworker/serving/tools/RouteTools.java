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
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The routes that are tools now. While a file is reloaded, a tool may be there twice: the newer one serves.
///
/// Threading: any thread.
public final class RouteTools implements ToolFields.Routes {
    /// By name, so that prompts have the tools in the same order each time. The newest of a name comes last.
    private final Map<String, List<RouteTool>> byName = new TreeMap<>();

    private final Set<String> clientTags;
    private final Supplier<List<RouteTool>> others;

    /// @param clientTags the tags that clients may name: `ROUTE_TOOLS`
    /// @param others tools that other components keep
    public RouteTools(Set<String> clientTags, Supplier<List<RouteTool>> others) {
        this.clientTags = Set.copyOf(clientTags);
        this.others = others;
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

    private Stream<RouteTool> all() {
        return Stream.concat(newest().stream(), others.get().stream());
    }

    private synchronized List<RouteTool> newest() {
        return byName.values().stream().map(List::getLast).toList();
    }

    /// The tools by their names, each of which only one may have.
    private static List<RouteTool> byName(Stream<RouteTool> tools) {
        var named = new TreeMap<String, RouteTool>();
        tools.forEach(tool -> {
            var name = tool.arguments().tool().name();
            var other = named.put(name, tool);
            if (other != null) {
                throw new IllegalStateException("two routes are the tool " + name + ": " + other.route() + " and "
                        + tool.route() + "; give one of them another name, or tags that are not asked for together");
            }
        });
        return List.copyOf(named.values());
    }

    /// The tools of a step of a route: those that have one of the tags, and those without tags.
    ///
    /// @throws IllegalStateException naming a tag that no tool has, or a name that two have
    public List<RouteTool> ofStep(Collection<String> tags) {
        var all = all().toList();
        for (var tag : tags) {
            if (all.stream().noneMatch(tool -> tool.tags().contains(tag))) {
                throw new IllegalStateException("no started route is a tool with the tag " + tag);
            }
        }
        return byName(all.stream().filter(isForStep(tags)));
    }

    /// The tools that have one of the tags.
    ///
    /// @throws IllegalStateException naming a name that two have
    public List<RouteTool> ofTags(Collection<String> tags) {
        return byName(all().filter(tool -> tags.stream().anyMatch(tool.tags()::contains)));
    }

    /// Which tools a step may use.
    public static Predicate<RouteTool> isForStep(Collection<String> tags) {
        return tool -> tool.tags().isEmpty() || tags.stream().anyMatch(tool.tags()::contains);
    }

    /// Which tools a request offers the model.
    ///
    /// @param tagsByName the names of the tools, each with the tags that the request named for it
    public static Predicate<RouteTool> isAmong(Map<String, List<String>> tagsByName) {
        return tool -> tagsByName.getOrDefault(tool.arguments().tool().name(), List.of()).stream()
                .anyMatch(tool.tags()::contains);
    }

    /// The newest tool of a name; null if there is none any more.
    @Nullable
    RouteTool find(String name, Predicate<RouteTool> allowed) {
        return all().filter(tool -> tool.arguments().tool().name().equals(name))
                .filter(allowed)
                .findFirst()
                .orElse(null);
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
        var found = ofTags(tags).stream().map(tool -> tool.arguments().tool()).toList();
        if (found.isEmpty()) {
            throw RequestException.invalid(
                    at, at + " is [" + String.join(", ", tags) + "]; no route is a tool with such a tag");
        }
        return found;
    }
}
