package dev.llmworker.text.tools;

/// A function that the model may call.
///
/// @param description empty if there is none
/// @param parameters a JSON schema of the arguments as text: an object's
/// @param strict whether the client asked for `strict`. It changes nothing: arguments always match the schema
public record Tool(String name, String description, String parameters, boolean strict) {
    private static final String NO_PARAMETERS = "{\"type\":\"object\",\"properties\":{}}";

    /// A tool without parameters.
    public Tool(String name, String description) {
        this(name, description, NO_PARAMETERS, false);
    }
}
