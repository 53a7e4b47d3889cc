/// Turns the messages of a conversation into a prompt.
@NullMarked
package dev.llmworker.text.chat;

import org.jspecify.annotations.NullMarked;
