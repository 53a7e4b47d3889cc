package dev.llmworker.serving.camel;

import org.apache.camel.main.Main;

/// What Camel JBang does in the folder of the routes, as far as the worker can tell: a Camel that knows nothing of it
/// but its jar.
public final class PlainCamelMain {
    private PlainCamelMain() {}

    public static void main(String[] args) throws Exception {
        var main = new Main();
        main.setPropertyPlaceholderLocations("file:application.properties");
        main.configure().withRoutesIncludePattern("file:*.camel.yaml");
        main.run(args);
    }
}
