package dev.llmworker;

import java.util.ServiceConfigurationError;
import org.apache.camel.CamelContext;
import org.apache.camel.spi.ContextServicePlugin;

/// What Camel JBang loads first of the worker's jar. It is compiled for Java 17, which Camel JBang runs on, and says which
/// Java the worker needs. The JVM would say so by the versions of class files.
public final class PluginEntry implements ContextServicePlugin {
    private static final int NEEDED_JAVA = 25;
    private static final String PLUGIN = "dev.llmworker.WorkerPlugin";

    private ContextServicePlugin plugin;

    @Override
    public void load(CamelContext context) {
        String problem = problem(Runtime.version().feature());
        if (problem != null) {
            System.err.println("worker: " + problem);
            // An exception would be one sentence in 30 lines of stack, and nothing can run.
            Runtime.getRuntime().halt(1);
        }
        try {
            plugin = (ContextServicePlugin) Class.forName(PLUGIN).getDeclaredConstructor().newInstance();
        } catch (ReflectiveOperationException e) {
            throw new ServiceConfigurationError(PLUGIN, e);
        }
        plugin.load(context);
    }

    /// Null if this Java is new enough.
    static String problem(int java) {
        return java >= NEEDED_JAVA
                ? null
                : "camel-llm-worker needs Java " + NEEDED_JAVA + " or newer, and this is Java " + java + " in "
                        + System.getProperty("java.home")
                        + ". Set JAVA_HOME to a newer one. https://adoptium.net has it";
    }

    @Override
    public void unload(CamelContext context) {
        plugin.unload(context);
    }
}
