package dev.llmworker.text.chat;

/// A call of a tool that an assistant made earlier in a conversation.
///
/// @param id ties the call to its result
/// @param arguments a JSON object as text
public record ToolCall(String id, String name, String arguments) {}
