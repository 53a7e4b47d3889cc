package dev.llmworker.routes;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apache.camel.CamelContext;
import org.apache.camel.FailedToCreateRouteException;
import org.apache.camel.FailedToStartRouteException;
import org.apache.camel.RouteConfigurationsBuilder;
import org.apache.camel.RoutesBuilder;
import org.apache.camel.builder.RouteBuilder;
import org.apache.camel.builder.RouteConfigurationBuilder;
import org.apache.camel.model.RouteConfigurationDefinition;
import org.apache.camel.model.RouteDefinition;
import org.apache.camel.spi.Resource;
import org.apache.camel.support.PluginHelper;
import org.jspecify.annotations.Nullable;

/// The routes and route configurations of one file; they may not be started. Configurations are loaded first,
/// because they apply to routes that are defined after them.
final class ParsedRoutes {
    /// Camel's name for the loader of `*.camel.yaml`.
    private static final String LOADER = "camel.yaml";

    private static final List<String> PARSED_TWICE = List.of("beans", "apiVersion");

    private final String name;
    private final List<RouteBuilder> builders = new ArrayList<>();
    private final List<RouteDefinition> routes = new ArrayList<>();
    /// The routes, and those that Camel makes of `rest:`.
    private final List<RouteDefinition> inputs = new ArrayList<>();
    private final List<ServedPath> paths = new ArrayList<>();
    /// What of it has started.
    private WorkerContext.Version started = WorkerContext.Version.NONE;

    private ParsedRoutes(String name) {
        this.name = name;
    }

    /// @param text of the resource
    /// @param name the id for routes without one, so that they can be found again
    /// @throws Exception with the line, if the file is not valid YAML
    static ParsedRoutes of(CamelContext context, Resource resource, String text, String name) throws Exception {
        var parsed = new ParsedRoutes(name);
        for (var found : builders(context, resource, text)) {
            if (found instanceof RouteBuilder builder) {
                parsed.builders.add(builder);
            }
        }
        return parsed;
    }

    /// Camel parses each file twice. The first time it looks for beans and for Kubernetes' resources only, so it is
    /// left out if the file has no such word.
    private static Collection<RoutesBuilder> builders(CamelContext context, Resource resource, String text)
            throws Exception {
        var loader = PluginHelper.getRoutesLoader(context);
        return PARSED_TWICE.stream().anyMatch(text::contains)
                ? loader.findRoutesBuilders(resource)
                : List.of(loader.getRoutesLoader(LOADER).loadRoutesBuilder(resource));
    }

    /// Activates the route configurations.
    ///
    /// @return whether there are any
    boolean configure(CamelContext context) throws Exception {
        for (var builder : builders) {
            if (builder instanceof RouteConfigurationsBuilder configurations) {
                configurations.updateRouteConfigurationsToCamelContext(context);
            }
        }
        return !configurations().isEmpty();
    }

    /// Reads the routes without starting them.
    ///
    /// @param others the routes of all other files
    /// @throws Exception with the line, if a route is invalid, or has the id or the path of another
    ParsedRoutes define(CamelContext context, Collection<ParsedRoutes> others) throws Exception {
        for (var builder : builders) {
            routes.addAll(builder.configureRoutes(context).getRoutes());
            for (var rest : builder.getRestCollection().getRests()) {
                inputs.addAll(rest.asRouteDefinition(context));
            }
        }
        inputs.addAll(routes);
        nameRoutes();
        for (var other : others) {
            for (var route : routes) {
                if (other.ids().contains(route.getId())) {
                    throw new RouteProblem(
                            line(route), "the id " + route.getId() + " is already the id of a route in another file");
                }
            }
        }
        claimPaths(context, others);
        return this;
    }

    private void nameRoutes() {
        var unnamed = 0;
        for (var route : routes) {
            if (route.getId() == null) {
                unnamed++;
                route.setId(unnamed == 1 ? name : name + '-' + unnamed);
            }
        }
    }

    private void claimPaths(CamelContext context, Collection<ParsedRoutes> others) throws RouteProblem {
        for (var route : inputs) {
            var path = ServedPath.of(context, route);
            if (path == null) {
                continue;
            }
            refuse(path, line(route), this);
            for (var other : others) {
                refuse(path, line(route), other);
            }
            paths.add(path);
        }
    }

    private static void refuse(ServedPath path, int line, ParsedRoutes owner) throws RouteProblem {
        if (owner.paths.stream().anyMatch(path::collidesWith)) {
            throw new RouteProblem(
                    line, path + " is already served by " + owner.name + "; change one of the paths, or delete a file");
        }
    }

    Set<String> ids() {
        var ids = new LinkedHashSet<String>();
        routes.forEach(route -> ids.add(route.getId()));
        return ids;
    }

    /// The configurations that [#configure(CamelContext)] activated; none before.
    private List<RouteConfigurationDefinition> configurations() {
        var all = new ArrayList<RouteConfigurationDefinition>();
        for (var builder : builders) {
            if (builder instanceof RouteConfigurationBuilder configurations) {
                all.addAll(configurations.getRouteConfigurationCollection().getRouteConfigurations());
            }
        }
        return all;
    }

    /// Starts the routes. Until the last one has started, those of `before` serve. They serve on if one cannot start.
    ///
    /// @param before the previous version of the file; null if there is none
    /// @throws RouteProblem if a route cannot start
    void start(WorkerContext context, @Nullable ParsedRoutes before) throws Exception {
        var old = before == null ? WorkerContext.Version.NONE : before.started;
        context.letGo(old);
        try {
            started = context.start(() -> add(context));
        } catch (Exception | LinkageError e) {
            context.takeBack(old);
            throw e;
        }
        context.replace(old, started);
    }

    private void add(CamelContext context) throws Exception {
        for (var builder : builders) {
            try {
                builder.updateRoutesToCamelContext(context);
            } catch (FailedToCreateRouteException e) {
                throw new RouteProblem(line(e), RouteProblem.reason(e));
            } catch (FailedToStartRouteException e) {
                throw new RouteProblem(line(e.getRouteId()), RouteProblem.reason(e));
            }
        }
    }

    /// The line of the step that Camel names in its message, or else of the route.
    private int line(FailedToCreateRouteException failure) {
        var message = String.valueOf(failure.getMessage());
        for (var route : routes) {
            if (!route.getId().equals(failure.getRouteId())) {
                continue;
            }
            for (var step : route.getOutputs()) {
                if (message.contains(" at: >>> " + step + " <<<")) {
                    return step.getLineNumber();
                }
            }
            return line(route);
        }
        return 0;
    }

    private int line(String routeId) {
        return routes.stream()
                .filter(route -> route.getId().equals(routeId))
                .mapToInt(ParsedRoutes::line)
                .findFirst()
                .orElse(0);
    }

    private static int line(RouteDefinition route) {
        return route.getInput() == null ? 0 : route.getInput().getLineNumber();
    }

    /// The file is gone. What runs in its routes ends there.
    void remove(WorkerContext context) throws Exception {
        removeConfigurations(context);
        context.letGo(started);
        context.replace(started, WorkerContext.Version.NONE);
    }

    /// Routes that have started keep them.
    void removeConfigurations(WorkerContext context) throws Exception {
        for (var configuration : configurations()) {
            context.removeRouteConfiguration(configuration);
        }
    }

    /// Undoes [#removeConfigurations].
    void restoreConfigurations(WorkerContext context) {
        configurations().forEach(context::addRouteConfiguration);
    }
}
